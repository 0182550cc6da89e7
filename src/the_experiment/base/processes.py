"""Calls in worker processes, which stop when their starter does.

Each has one thread, unless a training in it asks for more.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from the_experiment.base.errors import ExperimentError
from the_experiment.base.logs import log_to_terminal

Result = TypeVar("Result")

LOOK_EVERY = 0.5  # seconds
GRACE = 5.0  # seconds that an interrupted worker has to save what it did


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(
    function: Callable[..., Result],
    calls: Sequence[tuple[Any, ...]],
    workers: int,
    look: Callable[[], None] = lambda: None,
) -> Iterator[Result]:
    """Yield `function(*call)` for each call as it is done, `workers` of them at a time.

    `look` is called about twice a second meanwhile. What a call raises is raised here; where a
    worker is killed, that is `ExperimentError`, and ends the others. When this process stops early,
    by Ctrl-C or killed outright, the workers are interrupted.
    """
    coming = iter(calls)
    with running_workers(min(workers, len(calls))) as idle:
        running: dict[Future[Result], Worker] = {}
        while True:
            # No more are handed over than run: an interrupted worker has nothing to go on with.
            for worker, call in zip([*idle], coming, strict=False):
                idle.remove(worker)
                running[worker.submit(function, *call)] = worker
            if not running:
                return
            done, _ = wait(running, timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)
            look()
            for future in done:
                idle.append(running.pop(future))
                yield _result(future)


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:
        raise ExperimentError(
            "a worker process was killed, probably because memory ran out",
            "run the same command again (`train` with --resume): finished work is kept; if memory "
            "is short, run fewer at a time",
        ) from None


class Worker:
    """One process, which does one call after the other and is replaced where it was killed."""

    def __init__(self, heard: Connection) -> None:
        self._heard = heard
        self.begin_anew()

    def begin_anew(self) -> None:
        """Have a new process, also in place of one that was killed."""
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_begin, initargs=(self._heard,))

    def submit(self, function: Callable[..., Result], *call: Any) -> Future[Result]:
        """Have it call the function. The future raises `BrokenProcessPool` where it is killed."""
        return self._pool.submit(function, *call)

    def end(self) -> None:
        """Wait for what it does, and end it."""
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def running_workers(number: int) -> Iterator[list[Worker]]:
    """So many workers; what they do is interrupted where the block, or this process, ends early."""
    heard, held = multiprocessing.Pipe(duplex=False)  # `held` closes with this process
    workers = [Worker(heard) for _ in range(number)]
    try:
        yield [*workers]
        for worker in workers:
            worker.end()
    finally:
        held.close()
        for worker in workers:
            worker.end()
        heard.close()


def _begin(heard: Connection) -> None:
    """Runs first in each worker, before torch is imported."""
    # Threads of several busy processes that spin for each other slow all of them down.
    os.environ["OMP_NUM_THREADS"] = "1"
    # Ctrl-C is for the process that started this one, which passes it on. A training listens and
    # saves a checkpoint; anything else has the time of GRACE.
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_terminal()
    threading.Thread(target=_stop_at_the_end_of, args=(heard,), daemon=True).start()


def _stop_at_the_end_of(heard: Connection) -> None:
    heard.poll(None)  # returns once the other end is closed
    latest = time.monotonic() + GRACE
    while time.monotonic() < latest and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        time.sleep(0.05)  # nothing listens yet
    signal.raise_signal(signal.SIGINT)
    time.sleep(GRACE)
    os._exit(130)
