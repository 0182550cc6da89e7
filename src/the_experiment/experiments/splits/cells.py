"""The cells of an experiment: one contestant on one split with one seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from the_experiment.data.holdout import HoldOut
from the_experiment.engine.cell import Cell
from the_experiment.evaluation.baseline import baselines
from the_experiment.experiments.splits.config import Experiment, ModelEntry, Training
from the_experiment.worlds import World, find_world

MOST_TOLD_APART = 10_000  # states of a world in Python; of more, this many evenly among them


@dataclass(frozen=True)
class Fit:
    """One contestant on one split with one seed."""

    hold_outs: str  # the name of the way to hold out
    split: str  # which split of it: a sequence, or the seed
    contestant: str
    entry: ModelEntry | None  # None for a baseline
    hold_out: HoldOut
    seed: int
    train: Training
    world: str  # what it is: its text
    world_name: str  # where it is found

    @property
    def cell(self) -> Cell:
        """Everything that the result depends on."""
        split: dict[str, Any] = {
            "world": self.world,
            "hold_out": self.hold_out.model_dump(mode="json"),
            "seed": self.seed,
        }
        if self.entry:
            function = "model_result"
            split |= {"model": self.entry.model_dump(), "train": self.train.model_dump()}
        else:
            function = "baseline_result"
            split |= {"baseline": self.contestant, "rows": self.train.train_rows}
        return Cell(
            f"{self.hold_outs} {self.split} {self.contestant} seed {self.seed}",
            f"the_experiment.experiments.splits.runner:{function}",
            split,
            where={"world_name": self.world_name},
        )


def fits_of(experiment: Experiment, *, quick: bool = False) -> list[Fit]:
    """All cells, or those that `--quick` leaves, one way of holding out after the other."""
    world = find_world(experiment.world)
    seeds = experiment.quick.seeds if quick else experiment.seeds
    contestants: dict[str, ModelEntry | None] = dict.fromkeys(baselines.names())
    contestants |= experiment.models
    sample = experiment.quick.each_state if quick else 0
    kept = experiment.quick.hold_outs if quick else []
    return [
        Fit(
            name,
            split,
            contestant,
            entry,
            hold_out,
            seed,
            experiment.train,
            identity_of(world),
            experiment.world,
        )
        for name, way in experiment.hold_outs.items()
        if name in kept or not kept
        for contestant, entry in contestants.items()
        for seed in way.seeds or seeds
        for split, hold_out in way.splits(world, seed, sample)
    ]


def identity_of(world: World) -> str:
    """The text of a world's file; of one written in Python, its name and what it answers."""
    if world.source:
        return world.source
    states = world.states_at(world.numbers()[:: 1 + world.size // MOST_TOLD_APART])
    texts = [world.name, *world.prompts(states), *world.completions(states)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
