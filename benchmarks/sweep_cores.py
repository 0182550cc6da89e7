"""How many cells of a sweep are computed in an hour, by one process and by one for each core.

    python benchmarks/sweep_cores.py --rounds 3

The same small sweep is computed from nothing each time: the RNN and the CNN on two hold-outs with
some seeds, a thread of torch for each process. Imports of the workers are counted in, as in a real
sweep; one of more seeds has relatively fewer of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from the_experiment.engine.executor import LocalExecutor
from the_experiment.experiments.recipe import TrainingRecipe
from the_experiment.experiments.running import run
from the_experiment.experiments.splits.sweep import sweep_of

MODELS, HOLD_OUTS = ("rnn", "cnn"), ("fraction=0.25", "fraction=0.5")


def cells_per_hour(jobs: int, seeds: int, rows: int) -> float:
    """Of one sweep by so many processes."""
    recipe = TrainingRecipe(train_rows=rows)
    sweep = sweep_of("causal", HOLD_OUTS, MODELS, range(seeds), recipe)
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        run(sweep, Path(out), executor=LocalExecutor(jobs))
        seconds = time.perf_counter() - started
        return 3600 * len(sweep.cells(Path(out), quick=False)) / seconds


def main() -> None:
    """Run the turns and print the ratio."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--seeds", type=int, default=6)
    options.add_argument("--rows", type=int, default=20_000)
    given = options.parse_args()
    print(f"the-experiment, {platform.machine()}, {os.cpu_count()} cores")
    ratios = []
    for _ in range(given.rounds):
        one, many = (cells_per_hour(jobs, given.seeds, given.rows) for jobs in (1, given.jobs))
        ratios.append(many / one)
        print(f"1 process: {one:,.0f} cells an hour, {given.jobs} processes: {many:,.0f}")
    print(f"x {statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})")


if __name__ == "__main__":
    main()
