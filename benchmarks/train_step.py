"""How fast a training step is beside transformers' Trainer: same model, batch, dropout and rows.

    python benchmarks/train_step.py --rounds 5 --steps 30

Three ways of training the default GPT-2 (128 wide, 4 layers, 4 heads, batch 16, dropout .1) on the
default world take turns in one process: the Trainer with every text padded to 64 tokens, as the
project was first written, in fp32; the Trainer without padding; and ours, in the precision that it
picks on this processor, and where that is bf16 in fp32 too. Each figure is the median time of a
step, data loading included; the ratios are of rounds that ran side by side.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import (
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from the_experiment.base.runs import Run
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.models.texts import encode, pad_id
from the_experiment.training.config import TrainConfig
from the_experiment.training.job import prepare
from the_experiment.training.lean import lean
from the_experiment.training.loop import Training
from the_experiment.worlds import find_world

PADDED = 64  # tokens
WARM_UP = 5  # steps of each turn that are not counted
OURS = "the-experiment"  # in the precision that it picks


class StepTimes(TrainerCallback):
    """Seconds between the ends of two steps."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Remember when."""
        self.ends.append(time.perf_counter())

    def median(self) -> float:
        """Of the steps after the warm-up."""
        ends = self.ends[WARM_UP:]
        return statistics.median(b - a for a, b in pairwise(ends))


def trainer_turn(config: TrainConfig, pad_to: int | None, steps: int, scratch: Path) -> float:
    """Seconds a step of transformers' Trainer, texts padded to `pad_to` tokens."""
    job = prepare(config)
    set_seed(config.seed)
    model = GPT2LMHeadModel(job.model.config)
    pad = pad_id(job.tokenizer)
    pairs = [encode(job.tokenizer, *pair).ids for pair in job_pairs(config)]

    def row(ids: tuple[int, ...]) -> dict[str, list[int]]:
        filler = max(0, (pad_to or 0) - len(ids))
        return {
            "input_ids": [*ids, *[pad] * filler],
            "attention_mask": [1] * len(ids) + [0] * filler,
            "labels": [*ids, *[-100] * filler],
        }

    times = StepTimes()
    arguments = TrainingArguments(
        output_dir=str(scratch / "trainer"),
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        max_steps=steps,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    Trainer(
        model=model, args=arguments, train_dataset=[row(ids) for ids in pairs], callbacks=[times]
    ).train()
    return times.median()


def job_pairs(config: TrainConfig) -> list[tuple[str, str]]:
    """The rows that all three are trained on."""
    from the_experiment.data.reading import read_dataset

    return read_dataset(config.dataset)["train"]


def our_turn(config: TrainConfig, steps: int, scratch: Path) -> float:
    """Seconds a step of our own loop."""
    run = Run(scratch / f"run-{time.perf_counter_ns()}")
    training = Training(prepare(config), run, None, None)
    ends = []
    training.job.model.train()
    with lean(training.job.model):
        for _ in range(steps):
            training.one_step()
            ends.append(time.perf_counter())
    ends = ends[WARM_UP:]
    return statistics.median(b - a for a, b in pairwise(ends))


def main() -> None:
    """Run the turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.steps < WARM_UP + 2:
        parser.error(f"the first {WARM_UP} steps are not counted: --steps {WARM_UP + 2} or more")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        data = scratch / "dataset"
        generate(find_world("causal"), HoldOut(), Sizes(train=4_000), 42, data)
        config = TrainConfig(dataset=str(data))
        turns: dict[str, Callable[[], float]] = {
            f"Trainer, fp32, padded to {PADDED}": lambda: trainer_turn(
                config, PADDED, options.steps, scratch
            ),
            "Trainer, fp32, not padded": lambda: trainer_turn(config, None, options.steps, scratch),
            OURS: lambda: our_turn(config, options.steps, scratch),
        }
        if prepare(config).precision != "fp32":
            plain = config.model_copy(update={"precision": "fp32"})
            turns["the-experiment, fp32"] = lambda: our_turn(plain, options.steps, scratch)
        seconds: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(options.rounds):
            for name, turn in turns.items():
                seconds[name].append(turn())
        precision = prepare(config).precision
    threads = f"{options.threads} thread{'' if options.threads == 1 else 's'}"
    print(f"{platform.machine()}, {threads}, torch {torch.__version__}, {precision}")
    print_table(seconds)


def print_table(seconds: dict[str, list[float]]) -> None:
    """Milliseconds a step and how many times ours the others take: median, least, most."""
    print(f"{'':28}  ms a step      x ours: median (least – most)")
    ours = seconds[OURS]
    for name, times in seconds.items():
        ratios = [theirs / mine for theirs, mine in zip(times, ours, strict=True)]
        print(
            f"{name:28}  {statistics.median(times) * 1e3:9.1f}      "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
