"""Asking several models the same sets of puzzles, and keeping what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from the_experiment.base.errors import UsageError
from the_experiment.base.files import write_json
from the_experiment.base.names import refuse_no_name
from the_experiment.base.runs import TRACES
from the_experiment.data.trace_folder import source_of
from the_experiment.data.traces import TEST
from the_experiment.engine.store import CELLS
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.traces.analysis import outcome_of
from the_experiment.experiments.traces.asking_models import (
    MAX_NEW_TOKENS,
    PuzzleSet,
    TraceAnswer,
    answers_of,
    read_puzzles,
)
from the_experiment.experiments.traces.benchmarks import benchmarked, harness_model, through_lm_eval
from the_experiment.experiments.traces.results import TraceResults
from the_experiment.report.outcome import write_outcome

ANSWERED, HARNESS = "answers.json", "lm-eval.json"


def evaluate(
    models: Mapping[str, str],
    sets: Sequence[PuzzleSet],
    folder: Path,
    out: Path,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Callable[[int], None] = lambda _: None,
) -> TraceResults:
    """Ask what is not answered yet, and write answers and report into `folder`.

    `models` are folders, runs by name in `out` or names on the hub, by the name they are told
    under: the base first, then the one that is tested, then its controls.
    """
    found: dict[str, dict[str, list[TraceAnswer]]] = {name: {} for name in models}
    for name, model in models.items():
        for asked in sets:
            found[name][asked.name] = answers_of(model, asked, folder, out, max_new_tokens)
            progress(1)
    return _written(TraceResults(list(sets), found), folder)


def with_benchmarks(
    results: TraceResults,
    models: Mapping[str, str],
    benchmarks: Sequence[str],
    folder: Path,
    out: Path,
    limit: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Callable[[int], None] = lambda _: None,
) -> TraceResults:
    """The results with what the same models have right of benchmarks, written after each of them.

    Of each benchmark the first `limit` questions are asked; 0: all of them.
    """
    for benchmark in benchmarks:
        right: dict[str, dict[str, list[bool]]] = {}
        for name, model in models.items():
            found = benchmarked(model, benchmark, folder, out, limit, max_new_tokens)
            for measure, which in found.items():
                right.setdefault(measure, {})[name] = which
            progress(1)
        results = _written(replace(results, benchmarks={**results.benchmarks, **right}), folder)
    return results


def _written(results: TraceResults, folder: Path) -> TraceResults:
    results.write(folder / ANSWERED)
    write_outcome(outcome_of(results, folder.name), folder)
    return results


def evaluate_through_lm_eval(
    models: Mapping[str, str],
    sets: Sequence[PuzzleSet],
    folder: Path,
    out: Path,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> dict[str, dict[str, Rate]]:
    """How many of each set each model has right as lm-eval sees it, kept in `lm-eval.json`."""
    found = {}
    for name, model in models.items():
        asked_by = harness_model(model, out, max_new_tokens)
        found[name] = {asked.name: through_lm_eval(asked_by, asked) for asked in sets}
    kept = {
        name: {asked: rate.as_json() for asked, rate in rates.items()}
        for name, rates in found.items()
    }
    write_json(folder / HARNESS, kept)
    return found


def results_folder(name: str, out: Path) -> Path:
    """Where results of a name lie. Raises `UsageError` for a name that can't be one."""
    refuse_no_name("results", name)
    folder = out / TRACES / name
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CELLS).is_dir():
        raise UsageError(f"{folder} already exists and has no answers", "choose another NAME")
    return folder


def read_results(name: str, out: Path) -> tuple[Path, TraceResults]:
    """The folder of results, and what is in it. Raises `ExperimentError` where there are none."""
    folder = source_of(name, out)
    return folder, TraceResults.read(folder / ANSWERED)


def named(models: Sequence[str]) -> dict[str, str]:
    """Models by the last part of their name. Raises `UsageError` where two share it."""
    found = {Path(model).name: model for model in models}
    if len(found) < len(models):
        raise UsageError("two models have the same name", "name each once")
    return found


def named_sets(names: Sequence[str], limit: int, out: Path) -> list[PuzzleSet]:
    """The puzzles under each name: those drawn, the test side of rows, or of a file.

    Raises `UsageError` where two would be told under the same name.
    """
    sets: dict[str, PuzzleSet] = {}
    for name in names:
        source = source_of(name, out)
        path = source / TEST if (source / TEST).is_file() else source
        asked = read_puzzles(path, source.name if source.is_dir() else source.stem)
        if asked.name in sets:
            raise UsageError(
                f"two sets have the same name, {asked.name}", "name each once, or rename its file"
            )
        sets[asked.name] = PuzzleSet(asked.name, asked.puzzles[: limit or None])
    return list(sets.values())
