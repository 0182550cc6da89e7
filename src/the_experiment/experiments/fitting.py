"""Models and baselines on one split of a world, as several kinds of experiment have them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from the_experiment.base import defaults
from the_experiment.base.runs import Run
from the_experiment.base.seeds import Integers
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import seen_states
from the_experiment.evaluation.baseline import baselines, learned
from the_experiment.evaluation.contestants import sampled
from the_experiment.evaluation.predictions import Predictions
from the_experiment.evaluation.trained import Trained
from the_experiment.worlds import World

if TYPE_CHECKING:
    from the_experiment.training.config import TrainConfig
    from the_experiment.training.record import TrainResult


@contextmanager
def trained_model(
    world: World,
    hold_out: HoldOut,
    seed: int,
    model: Mapping[str, Any],
    train: Mapping[str, Any],
) -> Iterator[tuple[TrainResult, Trained]]:
    """Generate the data and train; nothing is kept after the block."""
    from the_experiment.training import loop

    with tempfile.TemporaryDirectory(prefix="the-experiment-") as scratch:
        run = Run(Path(scratch) / "run")
        data = Path(scratch) / defaults.DATASET
        config = generated(world, hold_out, seed, model, train, data)
        yield loop.train(config, run), Trained(run)


def generated(
    world: World,
    hold_out: HoldOut,
    seed: int,
    model: Mapping[str, Any],
    train: Mapping[str, Any],
    data: Path,
) -> TrainConfig:
    """How to train on this split, whose data is generated into `data`."""
    from the_experiment.training.config import TrainConfig

    recipe = {"device": "cpu", **train}
    sizes = Sizes(train=recipe.pop("train_rows"), valid=0, test=0)
    generate(world, hold_out, sizes, seed, data)
    return TrainConfig(
        dataset=str(data),
        seed=seed,
        # fp32 is the same on CPUs with and without native bf16
        precision="fp32" if recipe["device"] == "cpu" else "auto",
        **model,
        **recipe,
    )


def split_states(
    world: World, hold_out: HoldOut, seed: int, rows: int
) -> tuple[Integers, Integers, Integers]:
    """All seen states, and those seen and held out that are asked: each (n, inputs)."""
    held_out = hold_out.resolve(world, seed)
    seen = seen_states(world, hold_out, held_out, seed, rows)
    asked = sampled(world.states_at(held_out), seed, "held-out")
    return seen, sampled(seen, seed, "seen"), asked


def baseline_predictions(
    baseline: str, world: World, seen: Integers, asked: Integers
) -> dict[str, Predictions] | None:
    """What it predicts for each part of the states; None where it can't be applied to one."""
    predictions = learned(baselines[baseline], world, seen, asked)
    return predictions if predictions.keys() == {*world.parts} else None
