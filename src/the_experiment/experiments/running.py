"""Running an experiment of any kind: its cells, its outcome, its report."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import ValidationError

from the_experiment.base.defaults import ExecutorName
from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_json, replaced_folder, write_json, write_text
from the_experiment.base.runs import ARCHIVE
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.cluster import RayExecutor
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
from the_experiment.engine.manifest import Manifest, start_manifest
from the_experiment.engine.outcome import Outcome
from the_experiment.engine.store import CELLS, NotThereError, Store, write_table
from the_experiment.experiments.experiment import QUICK, Experiment
from the_experiment.report.outcome import RESULTS, plotly_beside, write_outcome

DECLARED, MANIFEST = "experiment.json", "manifest.json"
REPORTED = {".json", ".html", ".png"}  # the files of a report
NOT_YET = "not computed yet"

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
    first = experiment.first(out, quick=quick)
    if first:
        refuse_failures(compute(experiment, first, out, executor, counting)[1])
    cells = cells_of(experiment, out, quick=quick)
    found, failed = compute(experiment, cells, out, executor, counting)
    if not experiment.reports_in_part:
        refuse_failures(failed)
    why = {cell.name: str(error) for cell, error in failed.items()}
    return experiment.outcome(found, quick=quick).without(why)


def cells_of(experiment: Experiment, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
    """Its cells; once those are there that decide which are worth computing, no others."""
    first = experiment.first(out, quick=quick)
    store = Store(experiment.folder(out) / CELLS)
    if not first or not all(cell in store for cell in first.values()):
        return experiment.cells(out, quick=quick)
    decided = {which: store.read(cell) for which, cell in first.items()}
    return experiment.rest(decided, out, quick=quick)


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
    declared = experiment.with_files(_from_anywhere)
    _archive_report_of_other_settings(folder, declared)
    write_text(folder / DECLARED, declared.model_dump_json(indent=2) + "\n")
    store, manifest = Store(folder / CELLS), start_manifest(experiment.model_dump(mode="json"))
    taken = _take_over(list(cells.values()), store, out)
    if not taken and not list(in_order(list(cells.values()), store)):
        return {which: store.read(cell) for which, cell in cells.items()}, {}
    write_json(folder / MANIFEST, manifest.model_dump())
    try:
        with counting("cells", len(list(in_order(list(cells.values()))))) as progress:
            found = compute_all(cells, store, executor or executor_of(experiment), progress)
    finally:
        write_table(store, folder)
    write_json(folder / MANIFEST, manifest.ended().model_dump())
    return found


def _take_over(cells: Sequence[Cell], store: Store, out: Path) -> int:
    """Land what other experiments in the same output folder have computed; how many cells."""
    others = [Store(folder) for folder in sorted(out.glob(f"*/*/{CELLS}"))]
    others = [other for other in others if other.folder != store.folder]
    taken = 0
    for cell in [*in_order(cells, store)] if others else ():
        found = next((other for other in others if not cell.keeps_files and cell in other), None)
        if found:
            store.result(cell, partial(found.read, cell))
            taken += 1
    if taken:
        logger.info("{} were computed by another experiment already", counted(taken, "cell"))
    return taken


def _archive_report_of_other_settings(folder: Path, declared: Experiment) -> None:
    """Copy an earlier report where the settings have changed since; cells stay where they are."""
    reports = [path for path in (folder / RESULTS, folder / QUICK / RESULTS) if path.is_file()]
    if not reports or not (folder / DECLARED).is_file() or _is_of(declared, folder / DECLARED):
        return
    written = time.localtime(max(path.stat().st_mtime for path in reports))
    place = folder / ARCHIVE / f"report-{time.strftime('%Y%m%d-%H%M%S', written)}"
    with replaced_folder(place) as new:
        for path in folder.iterdir():
            if path.suffix in REPORTED:
                shutil.copy2(path, new)
        if (folder / QUICK).is_dir():
            shutil.copytree(folder / QUICK, new / QUICK)
    plotly_beside(place)
    logger.info("the earlier report, of other settings, is kept in {}", place)


def _is_of(experiment: Experiment, file: Path) -> bool:
    """Whether a file declares this experiment; one of an earlier version may lack new settings."""
    try:
        return type(experiment).model_validate(read_json(file)) == experiment
    except ValidationError:
        return False


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


@dataclass(frozen=True)
class Resources:
    """What cells are computed with."""

    jobs: int = 0  # processes at a time; 0: as suits the experiment
    budget: float = math.inf  # seconds
    executor: ExecutorName = "local"
    address: str = ""  # of a Ray cluster; empty: one that is started here
    gpus: float = 0.0  # the share of a GPU that each cell gets there


def executor_of(experiment: Experiment, given: Resources = Resources()) -> Executor:
    """So many processes; one for each core, or this one alone, as suits the experiment.

    With a budget it is never this one, which can't be stopped. Raises `UsageError` for what only a
    Ray cluster has.
    """
    if given.executor == "ray":
        return RayExecutor(given.address or None, given.budget, given.gpus)
    if given.address:
        raise UsageError(f"--address {given.address} is a Ray cluster's", "add --executor ray")
    if given.gpus:
        raise UsageError(
            "--gpus shares the GPUs of a Ray cluster",
            "add --executor ray; without it, models use a GPU of this machine by themselves",
        )
    jobs = given.jobs or experiment.jobs
    in_here = jobs == 1 and given.budget == math.inf
    return SerialExecutor() if in_here else LocalExecutor(jobs, given.budget)


def outcome_of(experiment: Experiment, out: Path, *, quick: bool = False) -> Outcome:
    """What the cells say that are there.

    Raises `NotThereError` where one is not computed yet; if the experiment `reports_in_part`, where
    none is.
    """
    cells = cells_of(experiment, out, quick=quick)
    store = Store(experiment.folder(out) / CELLS)
    results, missing = {}, {}
    for which, cell in cells.items():
        try:
            results[which] = store.read(cell)
        except NotThereError as error:
            if not experiment.reports_in_part:
                raise
            missing[cell.name] = error
    if missing and not results:
        raise next(iter(missing.values()))
    return experiment.outcome(results, quick=quick).without(dict.fromkeys(missing, NOT_YET))


def write_report(experiment: Experiment, outcome: Outcome, out: Path, *, quick: bool) -> Path:
    """Write the report of an experiment, and return the path of its page."""
    folder = experiment.folder(out)
    return write_outcome(outcome, folder / QUICK if quick else folder)


def so_far(experiment: Experiment, out: Path, *, quick: bool = False) -> list[str]:
    """Sentences on what the cells say that are there, while others are computed."""
    if not experiment.reports_in_part:
        return []
    store = Store(experiment.folder(out) / CELLS)
    cells = cells_of(experiment, out, quick=quick)
    return experiment.so_far(
        {which: store.read(cell) for which, cell in cells.items() if cell in store}
    )


@dataclass(frozen=True)
class ExperimentProgress:
    """How far an experiment is, in cells, those that others need among them."""

    cells: int
    left: int  # not computed yet
    running: int  # of those, which a process or a cluster computes now
    failed: int  # of those, which left a log
    seconds_left: float | None  # at the pace since the run began; None where nobody can say

    def __str__(self) -> str:
        said = f"{self.cells:,} cells, {self.left:,} left to compute"
        said += f", {self.running} running" if self.running else ""
        said += f", {self.failed} failed (see cells/logs/)" if self.failed else ""
        left = self.seconds_left
        return said if left is None else f"{said}, about {timedelta(seconds=round(left))} left"


def progress_of(experiment: Experiment, out: Path, *, quick: bool = False) -> ExperimentProgress:
    """How far it is, also while another process runs it."""
    folder = experiment.folder(out)
    cells = list(cells_of(experiment, out, quick=quick).values())
    store = Store(folder / CELLS)
    left = list(in_order(cells, store))
    running = sum(store.is_computed_now(cell) for cell in left) + store.running_on_cluster()
    return ExperimentProgress(
        cells=len(list(in_order(cells))),
        left=len(left),
        running=running,
        failed=sum(store.log(cell).is_file() for cell in left),
        seconds_left=_seconds_left(store, folder / MANIFEST, len(left)) if running else None,
    )


def _seconds_left(store: Store, manifest: Path, left: int) -> float | None:
    """At the pace of all that has landed since the run began."""
    began = datetime.fromisoformat(Manifest.model_validate(read_json(manifest)).created).timestamp()
    since = sum(path.stat().st_mtime >= began for path in store.folder.glob("*.json"))
    return (time.time() - began) / since * left if since else None


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
