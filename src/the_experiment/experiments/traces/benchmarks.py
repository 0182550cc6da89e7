"""Benchmarks that lm-eval knows, and the same puzzles as a task of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from the_experiment.base.errors import ExperimentError, require_packages
from the_experiment.base.files import write_text
from the_experiment.engine.store import CELLS, Store
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.traces.asking_models import MAX_NEW_TOKENS, PuzzleSet, model_cell
from the_experiment.worlds.causal.writing import prompt_of

TASK = "causal_puzzles"
METRIC, FILTER = "exact_match", "answer"
BATCH = 32  # questions that are asked at once

Sample = dict[str, Any]


def puzzle_task(asked: PuzzleSet, folder: Path) -> dict[str, Any]:
    """The shipped task on these puzzles, as lm-eval takes one; its rows are kept in `folder`."""
    shipped = files("the_experiment.experiments.traces") / "tasks" / f"{TASK}.yaml"
    task: dict[str, Any] = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    rows = [{"prompt": prompt_of(one), "answer": one.answer} for one in asked.puzzles]
    path = folder / f"{TASK}.jsonl"
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    reading = {"data_files": {"test": str(path)}, "cache_dir": str(folder / "cache")}
    return {**task, "dataset_kwargs": reading}


@dataclass(frozen=True)
class Harness:
    """A model as lm-eval asks it: in its chat template, as we do, if it has one."""

    model: Any  # lm-eval's
    chat: bool
    max_new_tokens: int


def harness_model(name: str, out: Path, max_new_tokens: int = MAX_NEW_TOKENS) -> Harness:
    """A model for lm-eval. Of few positions an answer has half, as the prompt wants some too.

    Raises `ExperimentError` where lm-eval is not installed, or there is no such model.
    """
    require_packages("lm_eval")
    from lm_eval.models.huggingface import HFLM

    from the_experiment.models.asking import prompt_text
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.models.scoring import max_positions

    model, tokenizer = load_pretrained(name, out=out)
    prompt_text(tokenizer, "Why?")  # raises where the chat template refuses a question
    positions = max_positions(model)
    most = max_new_tokens if positions is None else min(max_new_tokens, positions // 2)
    asked_by = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=BATCH)
    return Harness(asked_by, bool(tokenizer.chat_template), most)


def through_lm_eval(asked_by: Harness, asked: PuzzleSet) -> Rate:
    """How many answers lm-eval finds exactly right. The network is not used."""
    with TemporaryDirectory(prefix="the-experiment-") as folder:
        samples = samples_of(asked_by, puzzle_task(asked, Path(folder)))
    right = right_in(samples, METRIC, FILTER)
    return Rate(sum(right), len(right))


def samples_of(
    asked_by: Harness, task: str | dict[str, Any], folder: Path | None = None, limit: int = 0
) -> list[Sample]:
    """What lm-eval found of each question, by each of the task's filters.

    A task that is named is one of `folder`. `limit`: of the first so many questions; 0: of all.
    """
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    found: Any = simple_evaluate(
        model=asked_by.model,
        tasks=[task],
        task_manager=TaskManager(include_defaults=False, include_path=folder),
        limit=limit or None,
        apply_chat_template=asked_by.chat,
        gen_kwargs={"max_gen_toks": asked_by.max_new_tokens},
        bootstrap_iters=0,
        log_samples=True,
    )
    [samples] = found["samples"].values()
    return list(samples)


def right_in(samples: Sequence[Sample], metric: str, filtered: str) -> list[bool]:
    """Which questions are right by one metric after one filter, in their order.

    >>> samples = [{"doc_id": n, "filter": "none", "acc": float(n)} for n in (1, 0)]
    >>> right_in(samples, "acc", "none")
    [False, True]
    """
    rows = [sample for sample in samples if sample["filter"] == filtered]
    return [bool(sample[metric]) for sample in sorted(rows, key=itemgetter("doc_id"))]


Right = dict[str, list[bool]]  # by measure, in the order of the questions


@dataclass(frozen=True)
class Benchmark:
    """One of lm-eval's tasks, and what counts as right in it."""

    task: str
    folder: str  # among lm-eval's tasks
    measures: Mapping[str, tuple[str, str]]  # metric and filter, by the name it is told under


# As in the report on Claire. A gain in the strict form that the last number of an answer does not
# show is one of form: the strict filter wants `#### 18`, as in gsm8k's own solutions.
BENCHMARKS = {
    "gsm8k": Benchmark(
        "gsm8k",
        "gsm8k",
        {
            "gsm8k strict": ("exact_match", "strict-match"),
            "gsm8k last number": ("exact_match", "flexible-extract"),
        },
    ),
    "gpqa_diamond": Benchmark("gpqa_diamond_zeroshot", "gpqa", {"gpqa_diamond": ("acc", "none")}),
    "gpqa_extended": Benchmark(
        "gpqa_extended_zeroshot", "gpqa", {"gpqa_extended": ("acc", "none")}
    ),
}


def benchmarked(
    model: str,
    name: str,
    folder: Path,
    out: Path,
    limit: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Right:
    """Which questions of a benchmark, or of its first `limit`, the model has right.

    What is in `folder` already is not asked again. Raises `ExperimentError` where lm-eval is not
    installed, for a model that there is not, and for questions that can't be fetched: this is the
    one that uses the network.
    """
    require_packages("lm_eval")
    cell = model_cell(
        f"{Path(model).name} {name}",
        "the_experiment.experiments.traces.benchmarks:right_answers",
        model,
        {
            "lm-eval": version("lm-eval"),
            "benchmark": name,
            "limit": limit,
            "max_new_tokens": max_new_tokens,
        },
        out,
    )
    right: Right = Store(folder / CELLS).result(
        cell,
        lambda: right_answers(harness_model(model, out, max_new_tokens), BENCHMARKS[name], limit),
    )
    return right


def right_answers(asked_by: Harness, benchmark: Benchmark, limit: int) -> Right:
    """Which questions a model has right. Raises `ExperimentError` where they can't be fetched."""
    try:
        samples = samples_of(asked_by, benchmark.task, _shipped_with_lm_eval(benchmark), limit)
    except OSError as error:  # what `datasets` raises where nothing answers, or a login is missing
        raise ExperimentError(
            f"the questions of {benchmark.task} can't be fetched: {error}",
            "run it again with access to the hub (gpqa needs a login); answers are kept",
        ) from None
    return {
        told: right_in(samples, metric, filtered)
        for told, (metric, filtered) in benchmark.measures.items()
    }


def _shipped_with_lm_eval(benchmark: Benchmark) -> Path:
    """The one folder of tasks that is wanted; to look through them all takes 20 s."""
    return Path(str(files("lm_eval"))) / "tasks" / benchmark.folder
