"""The same puzzles through lm-eval, and the benchmarks it knows where a network is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from the_experiment.base.extras import needed
from the_experiment.base.files import write_text
from the_experiment.evaluation.statistics import Rate
from the_experiment.worlds.causal.writing import prompt_of

if TYPE_CHECKING:
    from the_experiment.experiments.traces.asking_models import PuzzleSet

TASK = "causal_puzzles"
BENCHMARKS = {  # lm-eval's tasks by the report's names; each downloads its questions
    "gsm8k": "gsm8k",
    "gpqa_diamond": "gpqa_diamond_zeroshot",
    "gpqa_extended": "gpqa_extended_zeroshot",
}
FILTERED = "exact_match,answer"
BATCH = 32  # questions that are asked at once


def puzzle_task(asked: PuzzleSet, folder: Path) -> dict[str, Any]:
    """The shipped task on these puzzles, as lm-eval takes one; its rows are kept in `folder`."""
    shipped = files("the_experiment.experiments.traces") / "tasks" / f"{TASK}.yaml"
    task: dict[str, Any] = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    rows = [{"prompt": prompt_of(one), "answer": one.answer} for one in asked.puzzles]
    path = folder / f"{TASK}.jsonl"
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    reading = {"data_files": {"test": str(path)}, "cache_dir": str(folder / "cache")}
    return {**task, "dataset_kwargs": reading}


def through_lm_eval(model: Any, asked: PuzzleSet) -> Rate:
    """How many answers lm-eval finds exactly right. The network is not used.

    `model` is one of `harness_model`, or any other that lm-eval can ask.
    """
    with TemporaryDirectory(prefix="the-experiment-") as folder:
        found = _evaluated(model, [puzzle_task(asked, Path(folder))], shipped=False)
    return Rate(round(found[TASK][FILTERED] * len(asked.puzzles)), len(asked.puzzles))


def benchmarked(model: Any, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What lm-eval finds on benchmarks, by the report's names. Their questions are downloaded."""
    found = _evaluated(model, [BENCHMARKS[name] for name in names], shipped=True)
    return {name: found[BENCHMARKS[name]] for name in names}


def harness_model(name: str, out: Path) -> Any:
    """A model as lm-eval asks it.

    Raises `ExperimentError` where lm-eval is not installed, or there is no such model.
    """
    needed("lm_eval")
    from lm_eval.models.huggingface import HFLM

    from the_experiment.models.pretrained import load_pretrained

    model, tokenizer = load_pretrained(name, out=out)
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=BATCH)


def _evaluated(model: Any, tasks: list[Any], *, shipped: bool) -> dict[str, dict[str, Any]]:
    """`shipped`: whether these are tasks of lm-eval; looking through them all takes a while."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    found: Any = simple_evaluate(
        model=model,
        tasks=tasks,
        task_manager=TaskManager(include_defaults=shipped),
        bootstrap_iters=0,
        log_samples=False,
    )
    results: dict[str, dict[str, Any]] = found["results"]
    return results
