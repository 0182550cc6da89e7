"""Where cells are computed: here, in a process for each core."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from loguru import logger

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import write_text
from the_experiment.base.processes import LOOK_EVERY, Worker, cores, running_workers
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.store import Store

TRIES = 3  # of a cell whose worker is killed

Done = Callable[[int], None]  # told how many more cells are there


class Executor(Protocol):
    """Computes cells, each after those that it needs."""

    def run(self, cells: Sequence[Cell], store: Store, done: Done) -> None:
        """Land every cell. Raises `ExperimentError` for what fails, once all else is there."""


@dataclass(frozen=True)
class LocalExecutor:
    """Processes of this machine, each with one thread of torch."""

    jobs: int = 0  # 0: one for each core

    def run(self, cells: Sequence[Cell], store: Store, done: Done = lambda _: None) -> None:
        """Land every cell. Raises `ExperimentError` for what fails, once all else is there."""
        left = list(in_order(cells, store))
        needed = {needed for cell in left for needed in cell.needs.values()}
        there = {*needed, *cells} - {*left}
        done(len(list(in_order(cells))) - len(left))
        work = _Work(store, left, there)
        with running_workers(min(self.jobs or cores(), len(work.left))) as idle:
            work.go(idle, done)
        work.report()


@dataclass(frozen=True)
class SerialExecutor:
    """This process, one cell after the other."""

    def run(self, cells: Sequence[Cell], store: Store, done: Done = lambda _: None) -> None:
        """Land every cell. Raises what the first that fails raises."""
        left = list(in_order(cells, store))
        done(len(list(in_order(cells))) - len(left))
        for cell in left:
            store.compute(cell)
            done(1)


def in_order(cells: Sequence[Cell], store: Store | None = None) -> Iterator[Cell]:
    """Each cell once, after those that it needs.

    With a store only those that are missing: not what only those need that are there.
    """
    seen: set[Cell] = set()

    def each(cell: Cell) -> Iterator[Cell]:
        if cell not in seen:
            seen.add(cell)
            if store is None or cell not in store:
                for needed in cell.needs.values():
                    yield from each(needed)
                yield cell

    for cell in cells:
        yield from each(cell)


@dataclass
class _Work:
    """What is left to do, and what failed."""

    store: Store
    left: list[Cell]
    there: set[Cell]
    running: dict[Future[str], tuple[Worker, Cell]] = field(default_factory=dict)
    tries: dict[Cell, int] = field(default_factory=dict)
    failed: dict[Cell, str] = field(default_factory=dict)

    def go(self, idle: list[Worker], done: Done) -> None:
        """Do all of it that can be done, on these workers."""
        while self.left or self.running:
            self._give_out(idle)
            finished, _ = wait(self.running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            for future in finished:
                worker, cell = self.running.pop(future)
                idle.append(worker)
                if self._ended_well(cell, future, worker):
                    self.there.add(cell)
                    done(1)

    def _give_out(self, idle: list[Worker]) -> None:
        for cell in [*self.left]:
            if any(needed in self.failed for needed in cell.needs.values()):
                self.left.remove(cell)
                self.failed[cell] = "what it needs failed"
            elif idle and self.there.issuperset(cell.needs.values()):
                self.left.remove(cell)
                worker = idle.pop()
                self.running[worker.submit(land, cell, self.store.folder)] = (worker, cell)

    def _ended_well(self, cell: Cell, future: Future[str], worker: Worker) -> bool:
        try:
            why = future.result()
        except BrokenProcessPool:
            worker.begin_anew()
            self.tries[cell] = self.tries.get(cell, 0) + 1
            if self.tries[cell] < TRIES:
                logger.warning("{}: its process was killed, and it begins again", cell.name)
                self.left.insert(0, cell)
                return False
            why = f"its process was killed {TRIES} times, as the system does where memory runs out"
        if why:
            self.failed[cell] = why
            logger.error("{} failed: {}", cell.name, why)
        return not why

    def report(self) -> None:
        """Raise `ExperimentError` that tells what failed, if anything did."""
        if self.failed:
            first, why = next(iter(self.failed.items()))
            raise ExperimentError(
                f"{counted(len(self.failed), 'cell')} failed; {first.name}: {why}",
                "all others are kept; run the same again once the cause is gone",
            )


def land(cell: Cell, folder: Path) -> str:
    """Compute a cell, in a worker, and land it; why that failed, or nothing."""
    store = Store(folder)
    try:
        store.compute(cell)
    except ExperimentError as error:
        return f"{error.what} ({error.mend})" if error.mend else error.what
    except Exception as error:
        log = folder / "logs" / f"{cell.key}.log"
        with suppress(ExperimentError):  # a full disk has no room for it either
            write_text(log, traceback.format_exc())
        return f"{type(error).__name__}: {error} (see {log})"
    return ""
