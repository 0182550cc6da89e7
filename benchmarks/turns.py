"""Ways of doing the same work take turns in one process; shared by the other scripts here."""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from loguru import logger

OURS = "the-experiment"


def parser(about: str | None, rounds: int, threads: int) -> argparse.ArgumentParser:
    """The options that every benchmark has; what is logged would stand among its figures."""
    logger.remove()
    found = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    found.add_argument("--rounds", type=int, default=rounds)
    found.add_argument("--threads", type=int, default=threads)
    return found


def taken(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each turn measures of itself (seconds), round by round."""
    gc.collect()
    gc.freeze()  # a collector that looks through all that was imported stops a turn at random
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            seconds[name].append(turn())
    return seconds


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """A turn: the seconds that all of the work takes."""

    def turn() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return turn


def print_ratios(what: str, seconds: Mapping[str, Sequence[float]], *notes: str) -> None:
    """Milliseconds of each way, and how many times ours they are."""
    threads = torch.get_num_threads()
    machine = [platform.machine(), f"{threads} thread{'' if threads == 1 else 's'}"]
    print(", ".join([*machine, f"torch {torch.__version__}", *notes]))
    width = max(map(len, seconds))
    print(f"{'':{width}}  {'ms ' + what:>16}   x ours: median (least – most)")
    for name, times in seconds.items():
        ratios = [theirs / mine for theirs, mine in zip(times, seconds[OURS], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"
        print(f"{name:{width}}  {statistics.median(times) * 1e3:16,.1f}   {spread}")
