"""Models asked through lm-eval, and the same puzzles as a task of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from the_experiment.base.extras import needed
from the_experiment.base.files import write_text
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.traces.asking_models import MAX_NEW_TOKENS, PuzzleSet
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
    needed("lm_eval")
    from lm_eval.models.huggingface import HFLM

    from the_experiment.models.asking import asked_text
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.models.scoring import max_positions

    model, tokenizer = load_pretrained(name, out=out)
    asked_text(tokenizer, "Why?")  # raises where the chat template refuses a question
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
