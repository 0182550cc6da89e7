"""The cells of an experiment: one contestant on one split with one seed."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from the_experiment.data.holdout import HoldOut
from the_experiment.evaluation.baseline import baselines
from the_experiment.experiments.declaration import Experiment, ModelEntry, Training
from the_experiment.worlds import World, find_world

MOST_TOLD_APART = 10_000  # states of a world in Python; of more, this many evenly among them


@dataclass(frozen=True)
class Cell:
    """What one cell is made of. Cells that are the same in all of it have the same `key`."""

    hold_outs: str  # the name of the way to hold out
    split: str  # which split of it: a sequence, or the seed
    contestant: str
    entry: ModelEntry | None  # None for a baseline
    hold_out: HoldOut
    seed: int
    train: Training
    world: str

    @property
    def key(self) -> str:
        """A readable file name with a fingerprint of everything the result depends on."""
        words = f"{self.hold_outs} {self.split} {self.contestant} seed {self.seed}"
        slug = re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-").lower()[:80]
        return f"{slug}-{self._fingerprint()}"

    def _fingerprint(self) -> str:
        made_of: dict[str, Any] = {
            "contestant": self.entry.model_dump() if self.entry else self.contestant,
            "hold_out": self.hold_out.model_dump(),
            "seed": self.seed,
            "train": self.train.model_dump() if self.entry else self.train.train_rows,
            "version": version("the-experiment"),
            "world": self.world,
        }
        text = json.dumps(made_of, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def cells_of(experiment: Experiment, *, quick: bool = False) -> list[Cell]:
    """All cells, or those that `--quick` leaves, one way of holding out after the other."""
    world = find_world(experiment.world)
    seeds = experiment.quick.seeds if quick else experiment.seeds
    contestants: dict[str, ModelEntry | None] = dict.fromkeys(baselines.names())
    contestants |= experiment.models
    sample = experiment.quick.each_state if quick else 0
    kept = experiment.quick.hold_outs if quick else []
    return [
        Cell(name, split, contestant, entry, hold_out, seed, experiment.train, _identity(world))
        for name, way in experiment.hold_outs.items()
        if name in kept or not kept
        for contestant, entry in contestants.items()
        for seed in way.seeds or seeds
        for split, hold_out in way.splits(world, seed, sample)
    ]


def _identity(world: World) -> str:
    """The text of a world's file; of one written in Python, its name and what it answers."""
    if world.source:
        return world.source
    states = world.states_at(world.numbers()[:: 1 + world.size // MOST_TOLD_APART])
    texts = [world.name, *world.prompts(states), *world.completions(states)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
