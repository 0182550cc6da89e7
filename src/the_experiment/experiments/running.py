"""Running an experiment of any kind: its cells, its outcome, its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from the_experiment.base.errors import UsageError
from the_experiment.base.files import write_text
from the_experiment.engine.cell import Cell
from the_experiment.engine.executor import (
    Executor,
    LocalExecutor,
    SerialExecutor,
    in_order,
    refuse_failures,
)
from the_experiment.engine.outcome import Outcome
from the_experiment.engine.store import CELLS, Store
from the_experiment.experiments.experiment import QUICK, Experiment
from the_experiment.report.outcome import write_outcome

DECLARED = "experiment.json"


def run(
    experiment: Experiment,
    out: Path,
    *,
    quick: bool = False,
    executor: Executor | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Compute the cells that are missing, in processes of this machine if nothing else is said.

    A killed run goes on where it was. `progress` is told how many more are there. Raises
    `ExperimentError` for those that fail, once the others are there.
    """
    compute(experiment, list(experiment.cells(out, quick=quick).values()), out, executor, progress)
    return outcome_of(experiment, out, quick=quick)


def compute(
    experiment: Experiment,
    cells: Sequence[Cell],
    out: Path,
    executor: Executor | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Compute some of an experiment's cells, as `run` does."""
    folder = experiment.folder(out)
    write_text(folder / DECLARED, experiment.model_dump_json(indent=2) + "\n")
    executor = executor or executor_of(experiment)
    refuse_failures(executor.run(cells, Store(folder / CELLS), progress))


def executor_of(experiment: Experiment, jobs: int = 0) -> Executor:
    """So many processes; one for each core, or this one alone, as suits the experiment."""
    jobs = jobs or experiment.jobs
    return SerialExecutor() if jobs == 1 else LocalExecutor(jobs)


def outcome_of(experiment: Experiment, out: Path, *, quick: bool = False) -> Outcome:
    """What the cells say that are there. Raises `NotThereError` where one is not computed yet."""
    store = Store(experiment.folder(out) / CELLS)
    cells = experiment.cells(out, quick=quick)
    results = {which: store.read(cell) for which, cell in cells.items()}
    return experiment.outcome(results, quick=quick)


def write_report(experiment: Experiment, outcome: Outcome, out: Path, *, quick: bool) -> Path:
    """Write the report of an experiment, and return the path of its page."""
    folder = experiment.folder(out)
    return write_outcome(outcome, folder / QUICK if quick else folder)


def progress_of(experiment: Experiment, out: Path, *, quick: bool = False) -> tuple[int, int]:
    """How many cells there are, those that others need among them, and how many are left."""
    cells = list(experiment.cells(out, quick=quick).values())
    store = Store(experiment.folder(out) / CELLS)
    return len(list(in_order(cells))), len(list(in_order(cells, store)))


def refuse_not_begun(experiment: Experiment, out: Path) -> None:
    """Raise `UsageError` for an experiment that there is nothing of to go on with."""
    if not (experiment.folder(out) / DECLARED).is_file():
        raise UsageError(
            f"{experiment.name} was not begun in {experiment.folder(out)}",
            f"run `the-experiment experiments run {experiment.name}`",
        )
