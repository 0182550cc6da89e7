"""Benchmarks that lm-eval knows: which of their questions a model has right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from the_experiment.base.errors import ExperimentError
from the_experiment.base.extras import needed
from the_experiment.engine.store import CELLS, Store
from the_experiment.experiments.traces.asking_models import MAX_NEW_TOKENS, weighed_cell
from the_experiment.experiments.traces.harness import (
    Harness,
    harness_model,
    right_in,
    samples_of,
)

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
    needed("lm_eval")
    cell = weighed_cell(
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
            "run it again where the hub answers (gpqa wants your login there); answers are kept",
        ) from None
    return {
        told: right_in(samples, metric, filtered)
        for told, (metric, filtered) in benchmark.measures.items()
    }


def _shipped_with_lm_eval(benchmark: Benchmark) -> Path:
    """The one folder of tasks that is wanted; to look through them all takes 20 s."""
    return Path(str(files("lm_eval"))) / "tasks" / benchmark.folder
