"""Running an experiment of any kind: its cells, its outcome, its report."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_json, write_json, write_text
from the_experiment.engine.cell import Cell
from the_experiment.engine.executor import (
    Executor,
    Failures,
    LocalExecutor,
    SerialExecutor,
    Which,
    compute_all,
    in_order,
    refuse_failures,
)
from the_experiment.engine.manifest import start_manifest
from the_experiment.engine.outcome import Outcome
from the_experiment.engine.store import CELLS, Store, write_table
from the_experiment.experiments.experiment import QUICK, Experiment
from the_experiment.report.outcome import write_outcome

DECLARED, MANIFEST = "experiment.json", "manifest.json"

# Of so many things: is told how many more are done.
Counting = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def silently(_: str, __: int) -> AbstractContextManager[Callable[[int], None]]:
    """Count without a word."""
    return nullcontext(lambda _: None)


def run(
    experiment: Experiment,
    out: Path,
    *,
    quick: bool = False,
    executor: Executor | None = None,
    counting: Counting = silently,
) -> Outcome:
    """Compute the cells that are missing, in processes of this machine if nothing else is said.

    A killed run goes on where it was. `counting` shows how many are there. Raises `ExperimentError`
    for those that fail, once the others are there; an experiment that `reports_in_part` says so
    in its outcome instead, where there are others.
    """
    cells = experiment.cells(out, quick=quick)
    found, failed = compute(experiment, cells, out, executor, counting)
    if not experiment.reports_in_part:
        refuse_failures(failed)
    why = {cell.name: str(error) for cell, error in failed.items()}
    return experiment.outcome(found, quick=quick).without(why)


def compute(
    experiment: Experiment,
    cells: Mapping[Which, Cell],
    out: Path,
    executor: Executor | None = None,
    counting: Counting = silently,
) -> tuple[dict[Which, Any], Failures]:
    """Compute some of an experiment's cells, as `run` does; results, and why some have none."""
    folder = experiment.folder(out)
    refuse_other_folder(experiment, folder)
    anywhere = experiment.with_files(_from_anywhere)
    write_text(folder / DECLARED, anywhere.model_dump_json(indent=2) + "\n")
    store, manifest = Store(folder / CELLS), start_manifest(experiment.model_dump(mode="json"))
    if not list(in_order(list(cells.values()), store)):
        return {which: store.read(cell) for which, cell in cells.items()}, {}
    write_json(folder / MANIFEST, manifest.model_dump())
    try:
        with counting("cells", len(list(in_order(list(cells.values()))))) as progress:
            found = compute_all(cells, store, executor or executor_of(experiment), progress)
    finally:
        write_table(store, folder)
    write_json(folder / MANIFEST, manifest.ended().model_dump())
    return found


def refuse_other_folder(experiment: Experiment, folder: Path) -> None:
    """Raise `UsageError` for a folder that is no experiment's of ours, or one's of another kind."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and not names & {DECLARED, CELLS}:
        raise UsageError(
            f"{folder} already exists and is not an experiment folder", "choose another name"
        )
    if DECLARED in names:
        kind = read_json(folder / DECLARED).get("kind")
        if kind != experiment.kind:
            raise UsageError(
                f"{folder} holds an experiment of kind {kind}, not {experiment.kind}",
                "choose another name",
            )


def executor_of(experiment: Experiment, jobs: int = 0, budget: float = math.inf) -> Executor:
    """So many processes; one for each core, or this one alone, as suits the experiment.

    With a budget of so many seconds it is never this one, which can't be stopped.
    """
    jobs = jobs or experiment.jobs
    in_here = jobs == 1 and budget == math.inf
    return SerialExecutor() if in_here else LocalExecutor(jobs, budget)


def outcome_of(experiment: Experiment, out: Path, *, quick: bool = False) -> Outcome:
    """What the cells say that are there. Raises `NotThereError` where one is not computed yet."""
    cells = experiment.cells(out, quick=quick)
    store = Store(experiment.folder(out) / CELLS)
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


def _from_anywhere(name: str) -> str:
    """The same file from any other folder; a name that is no file's as it is."""
    return str(Path(name).resolve()) if os.path.isfile(name) else name  # noqa: PTH113 - long names


def refuse_not_begun(experiment: Experiment, out: Path) -> None:
    """Raise `UsageError` for an experiment that there is nothing of to go on with."""
    refuse_other_folder(experiment, experiment.folder(out))
    if not (experiment.folder(out) / DECLARED).is_file():
        raise UsageError(
            f"{experiment.name} was not started in {experiment.folder(out)}",
            f"run `the-experiment experiments run {experiment.name}`",
        )
