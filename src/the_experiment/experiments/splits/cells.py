"""The cells of an experiment: one contestant on one split with one seed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from the_experiment.base import defaults
from the_experiment.base.runs import Run
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import Split, seen_states
from the_experiment.engine.cell import Cell
from the_experiment.evaluation.baseline import baselines, learned
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.contestants import right_by_part, sampled
from the_experiment.evaluation.scores import graded_baseline
from the_experiment.evaluation.trained import Trained
from the_experiment.experiments.splits.config import ModelEntry, SplitsExperiment, TrainingRecipe
from the_experiment.worlds import World, find_world, identity_of, unchanged_world

# By prompt, by measure (EXACT and each part): right or wrong; of a baseline, in which share of its
# tie-breaks it is right.
States = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Fit:
    """One contestant on one split with one seed."""

    hold_outs: str  # the name of the way to hold out
    split: str  # which split of it: a sequence, or the seed
    contestant: str
    entry: ModelEntry | None  # None for a baseline
    hold_out: HoldOut
    seed: int
    train: TrainingRecipe
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
            f"the_experiment.experiments.splits.cells:{function}",
            split,
            where={"world_name": self.world_name},
        )


def fits_of(experiment: SplitsExperiment, *, quick: bool = False) -> list[Fit]:
    """All cells, or those that `--quick` leaves, one seed after the other."""
    world = find_world(experiment.world)
    seeds = experiment.quick.seeds if quick else experiment.seeds
    contestants: dict[str, ModelEntry | None] = dict.fromkeys(baselines.names())
    contestants |= experiment.models
    sample = experiment.quick.each_state if quick else 0
    kept = experiment.quick.hold_outs if quick else []
    own = [seed for way in experiment.hold_outs.values() for seed in way.seeds or []]
    every = dict.fromkeys([*seeds, *own])
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
        for seed in every  # an early end leaves whole seeds
        for name, way in experiment.hold_outs.items()
        if (name in kept or not kept) and seed in (way.seeds or seeds)
        for contestant, entry in contestants.items()
        for split, hold_out in way.splits(world, seed, sample)
    ]


def baseline_result(
    baseline: str, rows: int, world: str, hold_out: Mapping[str, Any], seed: int, world_name: str
) -> dict[str, States | None]:
    """What a baseline has right, of seen and of held-out states; None where it can't be applied."""
    found, split = unchanged_world(world_name, world), HoldOut.model_validate(hold_out)
    held_out = split.resolve(found, seed)
    seen = seen_states(found, held_out, seed, rows)
    known = sampled(seen, seed, "seen")
    asked = sampled(found.states_at(held_out), seed, "held-out")
    states = np.concatenate([known, asked])
    predictions = learned(baselines[baseline], found, seen, states)
    if predictions.keys() < set(found.parts):
        return {"seen": None, "held_out": None}
    graded = graded_baseline(predictions, found.part_values(states), slice(None)).shares
    shares = {
        prompt: {part: float(share[row]) for part, share in graded.items()}
        for row, prompt in enumerate(found.prompts(states))
    }
    return {
        kind: {prompt: shares[prompt] for prompt in found.prompts(some)}
        for kind, some in (("seen", known), ("held_out", asked))
    }


def model_result(
    model: Mapping[str, Any],
    train: Mapping[str, Any],
    world: str,
    hold_out: Mapping[str, Any],
    seed: int,
    world_name: str,
) -> dict[str, Any]:
    """Generate the data, train, and ask the states; nothing but the result is kept."""
    from the_experiment.training import loop
    from the_experiment.training.config import TrainConfig

    recipe = dict(train)
    sizes = Sizes(train=recipe.pop("train_rows"), valid=0, test=0)
    with tempfile.TemporaryDirectory(prefix="the-experiment-") as scratch:
        data, run = Path(scratch) / defaults.DATASET, Run(Path(scratch) / "run")
        split = HoldOut.model_validate(hold_out)
        folder = generate(unchanged_world(world_name, world), split, sizes, seed, data)
        config = TrainConfig(
            dataset=str(data),
            seed=seed,
            device="cpu",
            precision="fp32",  # the same on CPUs with native bf16
            **model,
            **recipe,
        )
        result = loop.train(config, run)
        trained = Trained(run)
        return {
            "steps": result.steps,
            "seconds": result.seconds,
            "parameters": trained.record["parameters"],
            **_asked(trained, Split(folder.manifest)),
        }


def _asked(trained: Trained, split: Split) -> dict[str, Any]:
    """What the model writes for every state, or a sample of very many, and what of it is right."""
    seed = split.manifest.seed
    asked = (sampled(split.seen, seed, "seen"), sampled(split.held_out, seed, "held-out"))
    seen, held_out = (trained.complete(split.world.prompts(states)) for states in asked)
    return {
        "seen": _right(split.world, seen),
        "held_out": _right(split.world, held_out),
        "texts": {one.prompt: one.text for one in (*seen, *held_out)},
    }


def _right(world: World, completions: Sequence[Completion]) -> States:
    right = right_by_part(world, completions)
    return {
        one.prompt: {part: float(of[row]) for part, of in right.items()}
        for row, one in enumerate(completions)
    }
