"""Where cells are computed: here, in a process for each core."""

from __future__ import annotations

import heapq
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from loguru import logger

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import write_text
from the_experiment.base.processes import LOOK_EVERY, Worker, cores, running_workers
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.store import Store

TRIES = 3  # of a cell whose worker is killed

Done = Callable[[int], None]  # told how many more cells are there
Failures = dict[Cell, ExperimentError]
Which = TypeVar("Which")  # says which cell of an experiment it is


class Executor(Protocol):
    """Computes cells, each after those that it needs."""

    def run(self, cells: Sequence[Cell], store: Store, done: Done = ...) -> Failures:
        """Land every cell that can be; those that fail, with why."""


@dataclass(frozen=True)
class LocalExecutor:
    """Processes of this machine, each with one thread of torch."""

    jobs: int = 0  # 0: one for each core
    budget: float = math.inf  # seconds, after which cells that are still computed are stopped

    def run(self, cells: Sequence[Cell], store: Store, done: Done = lambda _: None) -> Failures:
        """Land every cell that can be; those that fail, with why."""
        left, failed = missing_of(cells, store, done), Failures()
        number = min(self.jobs or cores(), len(left))
        with suppress(OutOfTimeError), running_workers(number) as idle:
            fill(_Workers(idle, store), left, done, self.budget, failed)
        return failed


@dataclass(frozen=True)
class SerialExecutor:
    """This process, one cell after the other: what loads a model finds it in memory again."""

    def run(self, cells: Sequence[Cell], store: Store, done: Done = lambda _: None) -> Failures:
        """Land every cell that can be; those that fail, with why."""
        left, failed = missing_of(cells, store, done), Failures()
        for cell in left:
            why = NEEDS_FAILED if _needs_any(cell, failed) else land(cell, store.folder)
            if why:
                failed[cell] = why
                logger.error("{} failed: {}", cell.name, why)
            else:
                done(1)
        return failed


def compute_all(
    cells: Mapping[Which, Cell], store: Store, executor: Executor, done: Done = lambda _: None
) -> tuple[dict[Which, Any], Failures]:
    """Compute what is missing; the results, and why some cells have none.

    Raises `ExperimentError` where nothing could be computed.
    """
    failed = executor.run(list(cells.values()), store, done)
    found = {which: store.read(cell) for which, cell in cells.items() if cell not in failed}
    if not found:
        refuse_failures(failed)
    return found, failed


def refuse_failures(failed: Failures) -> None:
    """Raise `ExperimentError` that tells what failed, if anything did."""
    if len(failed) == 1:
        raise next(iter(failed.values()))
    if failed:
        first, why = next(iter(failed.items()))
        raise ExperimentError(
            f"{counted(len(failed), 'cell')} failed; {first.name}: {why.what}",
            f"{why.hint or 'fix the cause'}; the others are kept: run it again to resume",
        )


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


def missing_of(cells: Sequence[Cell], store: Store, done: Done) -> list[Cell]:
    """Those that are missing; `done` is told of the others."""
    left = list(in_order(cells, store))
    there = len(list(in_order(cells))) - len(left)
    if there:
        done(there)
    return left


class KilledError(Exception):
    """The process that computed a cell is gone."""


class Pool(Protocol):
    """Processes that compute cells, on this machine or another."""

    def submit(self, cell: Cell) -> Future[Any] | None:
        """Begin to compute a cell; None where no process is free."""

    def finish(self, cell: Cell, future: Future[Any]) -> ExperimentError | None:
        """Land what it gave; why that failed, if it did. Raises `KilledError`."""


class _Workers:
    """A pool of this machine's processes, which land their cells themselves."""

    def __init__(self, idle: list[Worker], store: Store) -> None:
        self._idle = idle
        self._busy: dict[Cell, Worker] = {}
        self._store = store

    def submit(self, cell: Cell) -> Future[Any] | None:
        if not self._idle:
            return None
        worker = self._busy[cell] = self._idle.pop()
        return worker.submit(land, cell, self._store.folder)

    def finish(self, cell: Cell, future: Future[Any]) -> ExperimentError | None:
        worker = self._busy.pop(cell)
        self._idle.append(worker)
        try:
            why: ExperimentError | None = future.result()
        except BrokenProcessPool:
            worker.begin_anew()
            raise KilledError from None
        return why


def fill(pool: Pool, left: Sequence[Cell], done: Done, budget: float, failed: Failures) -> None:
    """Have a pool compute the cells that are left; `failed` gets those that fail, with why.

    Raises `OutOfTimeError` after `budget` seconds, upon which the pool has to end what it does.
    """
    _Work(pool, left, time.monotonic() + budget, failed).go(done)


class _Work:
    """What is left to do, each cell after those that it needs, otherwise in the order given."""

    def __init__(self, pool: Pool, left: Sequence[Cell], ends: float, failed: Failures) -> None:
        self.pool = pool
        self.ends = ends  # by the monotonic clock
        self.failed = failed
        self.place = {cell: place for place, cell in enumerate(left)}
        self.waits: dict[Cell, set[Cell]] = {}  # for these, of those that it needs
        self.users: dict[Cell, list[Cell]] = {}  # of a cell, which wait for it
        self.ready: list[tuple[int, Cell]] = []  # a heap, by place
        self.running: dict[Future[Any], Cell] = {}
        self.tries: dict[Cell, int] = {}
        for cell in left:
            missing = {needed for needed in cell.needs.values() if needed in self.place}
            for needed in missing:
                self.users.setdefault(needed, []).append(cell)
            if missing:
                self.waits[cell] = missing
            else:
                self._make_ready(cell)

    def go(self, done: Done) -> None:
        """Do all of it that can be done."""
        while self.ready or self.running:
            if time.monotonic() > self.ends:
                stopped = [*self.running.values(), *(cell for _, cell in self.ready), *self.waits]
                self.failed.update(dict.fromkeys(stopped, OUT_OF_TIME))
                raise OutOfTimeError
            self._give_out()
            finished, _ = wait(self.running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            for future in finished:
                cell = self.running.pop(future)
                if self._ended_well(cell, future):
                    self._release_users(cell)
                    done(1)

    def _make_ready(self, cell: Cell) -> None:
        heapq.heappush(self.ready, (self.place[cell], cell))

    def _give_out(self) -> None:
        while self.ready:
            _, cell = self.ready[0]
            future = self.pool.submit(cell)
            if future is None:
                return
            heapq.heappop(self.ready)
            self.running[future] = cell

    def _release_users(self, cell: Cell) -> None:
        for user in self.users.pop(cell, ()):
            missing = self.waits.get(user)
            if missing is None:  # another that it needs has failed
                continue
            missing.remove(cell)
            if not missing:
                del self.waits[user]
                self._make_ready(user)

    def _fail(self, cell: Cell, why: ExperimentError) -> None:
        """It, and with it all that need it."""
        self.failed[cell] = why
        for user in self.users.pop(cell, ()):
            if self.waits.pop(user, None) is not None:
                self._fail(user, NEEDS_FAILED)

    def _ended_well(self, cell: Cell, future: Future[Any]) -> bool:
        try:
            why = self.pool.finish(cell, future)
        except KilledError:
            self.tries[cell] = self.tries.get(cell, 0) + 1
            if self.tries[cell] < TRIES:
                logger.warning("{}: its process was killed; restarting it", cell.name)
                self._make_ready(cell)
                return False
            why = ExperimentError(
                f"{cell.name}: its process was killed {TRIES} times, probably because "
                "memory ran out",
                "run fewer at a time",
            )
        if why:
            self._fail(cell, why)
            logger.error("{} failed: {}", cell.name, why)
        return not why


class OutOfTimeError(Exception):
    """Ends the workers in the middle of what they do."""


OUT_OF_TIME = ExperimentError("not computed within the budget", "give it more time")
NEEDS_FAILED = ExperimentError("a cell that it depends on failed")


def _needs_any(cell: Cell, failed: Failures) -> bool:
    return any(needed in failed for needed in cell.needs.values())


def land(cell: Cell, folder: Path) -> ExperimentError | None:
    """Compute a cell and land it; why that failed, if it did."""
    store = _store_in(folder)
    try:
        store.compute(cell)
    except ExperimentError as error:
        return error
    except Exception as error:
        log = store.log(cell)
        with suppress(ExperimentError):  # a full disk has no room for it either
            write_text(log, traceback.format_exc())
        return ExperimentError(f"{type(error).__name__}: {error} (see {log})")
    return None


@lru_cache(maxsize=1)
def _store_in(folder: Path) -> Store:
    """One for all cells of a process: to list a large folder takes long."""
    return Store(folder)
