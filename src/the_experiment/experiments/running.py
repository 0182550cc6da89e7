"""Running an experiment of any kind: its cells, its outcome, its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from the_experiment.base.errors import UsageError
from the_experiment.base.files import write_text
from the_experiment.engine.executor import LocalExecutor, in_order
from the_experiment.engine.outcome import Outcome
from the_experiment.engine.store import Store
from the_experiment.experiments.experiment import QUICK, Experiment
from the_experiment.report.outcome import write_outcome

CELLS, DECLARED = "cells", "experiment.json"


def run(
    experiment: Experiment,
    out: Path,
    *,
    quick: bool = False,
    jobs: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Compute the cells that are missing, `jobs` at a time (0: one for each core).

    A killed run goes on where it was. `progress` is told how many more are there. Raises
    `ExperimentError` for those that fail, once the others are there.
    """
    folder = experiment.folder(out)
    write_text(folder / DECLARED, experiment.model_dump_json(indent=2) + "\n")
    cells = experiment.cells(out, quick=quick)
    LocalExecutor(jobs).run(cells, Store(folder / CELLS), progress)
    return outcome_of(experiment, out, quick=quick)


def outcome_of(experiment: Experiment, out: Path, *, quick: bool = False) -> Outcome:
    """What the cells say that are there. Raises `NotThereError` where one is not computed yet."""
    store = Store(experiment.folder(out) / CELLS)
    results = {cell: store.read(cell) for cell in experiment.cells(out, quick=quick)}
    return experiment.outcome(results, quick=quick)


def write_report(experiment: Experiment, outcome: Outcome, out: Path, *, quick: bool) -> Path:
    """Write the report of an experiment, and return the path of its page."""
    folder = experiment.folder(out)
    return write_outcome(outcome, folder / QUICK if quick else folder)


def progress_of(experiment: Experiment, out: Path, *, quick: bool = False) -> tuple[int, int]:
    """How many cells there are, those that others need among them, and how many are computed."""
    cells = list(in_order(experiment.cells(out, quick=quick)))
    store = Store(experiment.folder(out) / CELLS)
    return len(cells), sum(cell in store for cell in cells)


def refuse_not_begun(experiment: Experiment, out: Path) -> None:
    """Raise `UsageError` for an experiment that there is nothing of to go on with."""
    if not (experiment.folder(out) / DECLARED).is_file():
        raise UsageError(
            f"{experiment.name} was not begun in {experiment.folder(out)}",
            f"run `the-experiment experiments run {experiment.name}`",
        )
