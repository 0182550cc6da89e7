"""How fast GPT-2s train together, as one batched program, beside one after the other.

    python benchmarks/ensemble.py --members 8 --device cpu
    python benchmarks/ensemble.py --members 256 --device cuda

Default GPT-2s on the default world, each with a seed of its own. Each figure is the time of a step
of all members; what 1,000 trainings of 3,750 steps would take follows from it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from hf_trainer import default_config
from the_experiment.base.runs import Run
from the_experiment.training.config import TrainConfig
from the_experiment.training.ensemble import Ensemble
from the_experiment.training.job import prepare
from the_experiment.training.loop import Training
from turns import OURS, parser, print_ratios, taken

TRAININGS, STEPS = 1_000, 3_750  # what a GPU has to do within a minute


def one_by_one(configs: Sequence[TrainConfig], steps: int, scratch: Path) -> float:
    """Seconds of a step of each of them, one training after the other."""
    seconds = 0.0
    for config in configs:
        run = Run(scratch / f"run-{time.perf_counter_ns()}")
        training = Training(prepare(config), run, None, None)
        seconds += waited(partial(make_steps, training, steps), config)
        training.lifecycle.release()
    return seconds / steps


def make_steps(training: Training, steps: int) -> None:
    """As `train` does."""
    training.job.model.train()
    with training.stand_ins():
        for _ in range(steps):
            training.one_step()


def together(configs: Sequence[TrainConfig], steps: int) -> float:
    """Seconds of a step of all of them at once."""
    return waited(Ensemble([prepare(config) for config in configs]).train, configs[0]) / steps


def waited(work: Callable[[], object], config: TrainConfig) -> float:
    """Seconds until the device has done all of the work."""
    started = time.perf_counter()
    work()
    if config.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    """Run the turns and print the table."""
    options = parser(__doc__, rounds=3, threads=1)
    options.add_argument("--members", type=int, default=8)
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--steps", type=int, default=30)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    with default_config(rows=16 * given.steps) as (default, scratch):
        own = {"threads": given.threads, "epochs": 1, "device": given.device}
        configs = [default.model_copy(update=own | {"seed": s}) for s in range(given.members)]
        seconds = taken(
            {
                "one after the other": lambda: one_by_one(configs, given.steps, scratch),
                OURS: lambda: together(configs, given.steps),
            },
            given.rounds,
        )
    print_ratios("a step of all", seconds, f"{given.members} members", given.device)
    whole = statistics.median(seconds[OURS]) / given.members * TRAININGS * STEPS
    print(f"{TRAININGS:,} trainings of {STEPS:,} steps would take {whole:,.0f} s")


if __name__ == "__main__":
    main()
