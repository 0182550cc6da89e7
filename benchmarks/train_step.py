"""How fast a training step is beside transformers' Trainer: same model, batch, dropout and rows.

    python benchmarks/train_step.py --rounds 5 --steps 30

Ways of training the default GPT-2 (128 wide, 4 layers, 4 heads, batch 16, dropout .1) on the
default world take turns in one process: the Trainer with every text padded to 64 tokens, as the
project was first written, in fp32; the same with GPT-2's 50,257 words for a vocabulary (its steps
take seconds: fewer are made); the Trainer without padding; and ours, in the precision that it
picks on this processor, with its step compiled and not, and where the precision is bf16 in fp32
too. Each figure is the median time of a step, data loading included; the ratios are of rounds that
ran side by side. Compiling is not in it: how long that took is printed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from hf_trainer import PADDED, WORDS, default_config, hf_trainer
from the_experiment.base.runs import Run
from the_experiment.training.config import TrainConfig
from the_experiment.training.job import prepare
from the_experiment.training.loop import Training
from turns import OURS, parser, print_ratios, taken

WARM_UP = 5  # steps of each turn that are not counted
SLOW = WARM_UP + 3  # steps of a turn where each takes seconds


class StepEnds(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Remember when."""
        self.ends.append(time.perf_counter())


def median(ends: Sequence[float]) -> float:
    """Seconds of a step, after the warm-up."""
    return statistics.median(b - a for a, b in pairwise(ends[WARM_UP:]))


def trainer_turn(config: TrainConfig, scratch: Path, steps: int, **options: Any) -> float:
    """Seconds a step of transformers' Trainer."""
    times = StepEnds()
    hf_trainer(config, scratch, [times], max_steps=steps, **options).train()
    return median(times.ends)


def our_turn(config: TrainConfig, steps: int, scratch: Path) -> float:
    """Seconds a step of our own loop."""
    run = Run(scratch / f"run-{time.perf_counter_ns()}")
    started = time.perf_counter()
    training = Training(prepare(config), run, None, None)
    if config.compiled:
        print(f"made, and compiled: {time.perf_counter() - started:.1f} s", flush=True)
    ends = []
    training.job.model.train()
    with training.stand_ins():
        for _ in range(steps):
            training.one_step()
            ends.append(time.perf_counter())
    return median(ends)


def main() -> None:
    """Run the turns and print the table."""
    options = parser(__doc__, rounds=5, threads=2)
    options.add_argument("--steps", type=int, default=30)
    given = options.parse_args()
    if given.steps < WARM_UP + 2:
        options.error(f"the first {WARM_UP} steps are not counted: --steps {WARM_UP + 2} or more")
    torch.set_num_threads(given.threads)
    with default_config(rows=4_000) as (default, scratch):
        few = min(given.steps, SLOW)
        config = default.model_copy(update={"compiled": False, "threads": given.threads})
        compiled = config.model_copy(update={"compiled": True})
        turns: dict[str, Callable[[], float]] = {
            f"Trainer, padded to {PADDED}, {WORDS:,} words": lambda: trainer_turn(
                config, scratch, few, pad_to=PADDED, words=WORDS
            ),
            f"Trainer, padded to {PADDED}": lambda: trainer_turn(
                config, scratch, given.steps, pad_to=PADDED
            ),
            "Trainer, not padded": lambda: trainer_turn(config, scratch, given.steps),
            OURS: lambda: our_turn(compiled, given.steps, scratch),
            f"{OURS}, not compiled": lambda: our_turn(config, given.steps, scratch),
        }
        precision = prepare(config).precision
        if precision != "fp32":
            plain = config.model_copy(update={"precision": "fp32"})
            turns[f"{OURS}, neither, fp32"] = lambda: our_turn(plain, given.steps, scratch)
        print_ratios("a step", taken(turns, given.rounds), precision)


if __name__ == "__main__":
    main()
