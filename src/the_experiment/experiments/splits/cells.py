"""The cells of an experiment: one contestant on one split with one seed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from the_experiment.base.errors import ExperimentError
from the_experiment.data.folder import MANIFEST, read_manifest
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import Split
from the_experiment.engine.cell import Cell
from the_experiment.evaluation.baseline import baselines
from the_experiment.evaluation.completions import Completion, complete
from the_experiment.evaluation.contestants import right_by_part, sampled
from the_experiment.evaluation.scores import graded_baseline
from the_experiment.experiments.fitting import (
    baseline_predictions,
    generated,
    split_states,
    trained_model,
)
from the_experiment.experiments.recipe import ModelEntry, TrainingRecipe
from the_experiment.experiments.splits.config import SplitsExperiment
from the_experiment.worlds import World, find_world, identity_of, unchanged_world

TOGETHER_MODEL = "gpt2"  # the architecture that can be trained as one program
TOGETHER = 256  # models of one such program; chosen without a GPU at hand
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


def cells_of(fits: Sequence[Fit]) -> dict[Fit, Cell]:
    """Each fit's cell. On a GPU GPT-2s of a kind are trained together, and each takes its part."""
    cells = {fit: fit.cell for fit in fits}
    groups: dict[str, list[Fit]] = {}
    for fit in fits:
        if fit.entry and fit.entry.model == TOGETHER_MODEL and fit.train.device == "cuda":
            groups.setdefault(fit.contestant, []).append(fit)
    for fits_of_group in groups.values():
        for first in range(0, len(fits_of_group), TOGETHER):
            members = fits_of_group[first : first + TOGETHER]
            group = _together(members)
            cells |= {fit: _part(fit, group, place) for place, fit in enumerate(members)}
    return cells


def _together(members: Sequence[Fit]) -> Cell:
    """The cell that trains all of these."""
    first = members[0]
    asked = [fit.cell.arguments for fit in members]
    shared = {name: asked[0][name] for name in ("model", "train", "world")}
    own = [{name: one[name] for name in ("hold_out", "seed")} for one in asked]
    return Cell(
        f"{len(members)} of {first.contestant} together",
        "the_experiment.experiments.splits.cells:results_together",
        {**shared, "members": own},
        where=first.cell.where,
    )


def _part(fit: Fit, group: Cell, place: int) -> Cell:
    function = "the_experiment.experiments.splits.cells:result_of_member"
    return Cell(fit.cell.name, function, {"place": place}, needs={"together": group})


def baseline_result(
    baseline: str, rows: int, world: str, hold_out: Mapping[str, Any], seed: int, world_name: str
) -> dict[str, States | None]:
    """What a baseline has right, of seen and of held-out states; None where it can't be applied."""
    found = unchanged_world(world_name, world)
    seen, known, asked = split_states(found, HoldOut.model_validate(hold_out), seed, rows)
    states = np.concatenate([known, asked])
    predictions = baseline_predictions(baseline, found, seen, states)
    if predictions is None:
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
    found, split = unchanged_world(world_name, world), HoldOut.model_validate(hold_out)
    with trained_model(found, split, seed, model, train) as (result, trained):
        return {
            "steps": result.steps,
            "seconds": result.seconds,
            "parameters": trained.record["parameters"],
            **_asked(trained.complete, trained.split),
        }


def results_together(
    model: Mapping[str, Any],
    train: Mapping[str, Any],
    world: str,
    members: Sequence[Mapping[str, Any]],
    world_name: str,
) -> list[dict[str, Any]]:
    """What `model_result` gives for each member, a hold-out and a seed, all trained at once."""
    from the_experiment.models.architectures import count
    from the_experiment.training.ensemble import train_together

    started, found = time.perf_counter(), unchanged_world(world_name, world)
    with tempfile.TemporaryDirectory(prefix="the-experiment-") as scratch:
        folders = [Path(scratch) / str(number) for number in range(len(members))]
        hold_outs = [HoldOut.model_validate(each["hold_out"]) for each in members]
        configs = [
            generated(found, hold_out, each["seed"], model, train, folder)
            for each, hold_out, folder in zip(members, hold_outs, folders, strict=True)
        ]
        trained = train_together(configs)
        seconds = (time.perf_counter() - started) / len(members)
        return [
            {
                "steps": one.steps,
                "seconds": seconds,  # its share
                "parameters": count(one.model),
                **_asked(partial(complete, one.model, one.tokenizer, found), _split_in(folder)),
            }
            if one.finite
            else {}
            for one, folder in zip(trained, folders, strict=True)
        ]


def result_of_member(together: Sequence[dict[str, Any]], place: int) -> dict[str, Any]:
    """One model's part of what was trained together."""
    if not together[place]:
        raise ExperimentError("this training diverged", "choose a smaller train.learning_rate")
    return together[place]


def _split_in(data: Path) -> Split:
    return Split(read_manifest(data / MANIFEST, "generate it again"))


def _asked(complete: Callable[[Sequence[str]], list[Completion]], split: Split) -> dict[str, Any]:
    """What the model writes for every state, or a sample of very many, and what of it is right."""
    seed = split.manifest.seed
    asked = (sampled(split.seen, seed, "seen"), sampled(split.held_out, seed, "held-out"))
    seen, held_out = (complete(split.world.prompts(states)) for states in asked)
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
