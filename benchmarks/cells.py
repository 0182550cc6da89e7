"""What the engine adds to a cell: cells that only sleep, beside the time that they sleep.

    python benchmarks/cells.py --cells 100000
    python benchmarks/cells.py --cells 10000 --executor ray

Every cell lands as a file of its own; a second run finds all of them; a table has a row for each.
Each of these is timed. `--seconds` is how long a cell sleeps.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from the_experiment.engine.cell import Cell
from the_experiment.engine.cluster import RayExecutor
from the_experiment.engine.executor import Executor, LocalExecutor, refuse_failures
from the_experiment.engine.store import Store, write_table


def sleep(number: int, seconds: float) -> int:
    """What a cell does, in a worker."""
    time.sleep(seconds)
    return number


def timed(what: str, cells: int, work: Callable[[], object]) -> None:
    """Print how long some work takes, for each cell too."""
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{what:12} {seconds:8.2f} s {1e3 * seconds / cells:10.3f} ms a cell", flush=True)


def main() -> None:
    """Compute the cells, find them again, write the table, and print what each took."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--cells", type=int, default=10_000)
    options.add_argument("--seconds", type=float, default=0.0)
    options.add_argument("--jobs", type=int, default=2)
    options.add_argument("--executor", choices=["local", "ray"], default="local")
    options.add_argument("--address", help="of a Ray cluster; without it one is started here")
    given = options.parse_args()
    executor: Executor = LocalExecutor(given.jobs)
    if given.executor == "ray":
        executor = RayExecutor(given.address)
    print(f"the-experiment, {platform.machine()}, {os.cpu_count()} cores, {given.executor}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "cells"
        cells = [
            Cell(f"cell {number}", "cells:sleep", {"number": number, "seconds": given.seconds})
            for number in range(given.cells)
        ]
        run = executor.run
        timed("computed", len(cells), lambda: refuse_failures(run(cells, Store(place))))
        timed("found again", len(cells), lambda: refuse_failures(run(cells, Store(place))))
        timed("as a table", len(cells), lambda: write_table(Store(place), Path(folder)))
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
