"""The cells: random rules, and a model or all baselines on one split of a set of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from the_experiment.base.errors import require_packages
from the_experiment.base.seeds import derived_seed
from the_experiment.data.holdout import HoldOut
from the_experiment.engine.cell import Cell
from the_experiment.evaluation.baseline import baselines
from the_experiment.evaluation.contestants import right_by_part, sampled
from the_experiment.evaluation.scores import Grades, graded_baseline, graded_model
from the_experiment.experiments.fitting import baseline_predictions, split_states, trained_model
from the_experiment.experiments.recipe import ModelEntry, TrainingRecipe
from the_experiment.experiments.regulation.config import (
    BASELINES,
    RegulationExperiment,
    RegulationScale,
)
from the_experiment.worlds import find_world
from the_experiment.worlds.analysis import average_sensitivity, fourier_degree
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.networks.formulas import Truth, formula
from the_experiment.worlds.networks.network import Functions
from the_experiment.worlds.networks.writing import boolean_rules, truth_of
from the_experiment.worlds.rules import RuleWorld
from the_experiment.worlds.tree import Number, Tree

HERE = "the_experiment.experiments.regulation.cells"
PUBLISHED = "published"


@dataclass(frozen=True)
class RuleSet:
    """The rules of a network as published, or rules drawn in their place."""

    network: str
    kind: str
    number: int  # of those drawn
    text: str  # the world of the published ones

    def needed(self) -> tuple[dict[str, Any], dict[str, Cell]]:
        """The rules as an argument of a cell, or the cell that draws them."""
        if self.kind == PUBLISHED:
            return {"rules": self.text}, {}
        arguments = {"world": self.text, "kind": self.kind, "number": self.number}
        name = f"{self.kind} rules {self.number} for {self.network}"
        return {}, {"rules": Cell(name, f"{HERE}:drawn_rules", arguments)}


@dataclass(frozen=True)
class RegulationFit:
    """A model, or all baselines, on one split of a set of rules."""

    rules: RuleSet
    share: float  # of the states held out
    seed: int
    contestant: str
    entry: ModelEntry | None  # None for the baselines
    train: TrainingRecipe

    @property
    def cell(self) -> Cell:
        """Everything that the result depends on."""
        arguments, needs = self.rules.needed()
        arguments |= {"share": self.share, "seed": self.seed}
        if self.entry:
            function = "model_result"
            arguments |= {"model": self.entry.model_dump(), "train": self.train.model_dump()}
        else:
            function = "baseline_results"
            arguments |= {"rows": self.train.train_rows, "names": baselines.names()}
        rules = f"{self.rules.network} {self.rules.kind} {self.rules.number}"
        name = f"{rules} {self.share:g} {self.contestant} seed {self.seed}"
        return Cell(name, f"{HERE}:{function}", arguments, needs=needs)


def fits_of(experiment: RegulationExperiment, scale: RegulationScale) -> list[RegulationFit]:
    """All cells, one share and seed after the other: an early end leaves whole ones."""
    rule_sets = [
        RuleSet(network, kind, number, find_world(network).source)
        for network in scale.networks
        for kind in scale.rules
        for number in range(1 if kind == PUBLISHED else scale.drawn)
    ]
    contestants = {BASELINES: None, **experiment.models}
    return [
        RegulationFit(rules, share, seed, contestant, entry, scale.train)
        for seed in scale.seeds
        for share in scale.shares
        for contestant, entry in contestants.items()
        for rules in rule_sets
    ]


# -- random rules ----------------------------------------------------------------------------------


def drawn_rules(world: str, kind: str, number: int) -> str:
    """A world of random rules, each with as many regulators as the one in its place.

    `rewired`: the same functions of other regulators. `canalising`: random functions of the same
    canalising depth, `random`: any, of other regulators too; each depends on all of its regulators
    (boolforge). Constants stay as they are.
    """
    require_packages("boolforge", extra="networks")
    published = boolean_rules(world_from_text(world, "a network"))
    rng = np.random.default_rng(derived_seed(number, "rules", kind, published.name))
    outputs = {name: _drawn(published, name, kind, rng) for name in published.rules}
    about = f"{kind} rules {number} in place of those of {published.name}"
    return Functions([*published.inputs], outputs).world_text(published.name, about)


def _drawn(world: RuleWorld, rule: str, kind: str, rng: np.random.Generator) -> Tree:
    _, truth = truth_of(world, rule)
    if not truth.ndim:
        return Number(int(truth))
    regulators = rng.choice([*world.inputs], truth.ndim, replace=False).tolist()
    return formula(regulators, _function(truth, kind, rng))


def _function(truth: Truth, kind: str, rng: np.random.Generator) -> Truth:
    """Another function of as many regulators, or the same."""
    import boolforge

    if kind == "rewired":
        return truth
    depth = {}
    if kind == "canalising":
        same = boolforge.BooleanFunction(truth.ravel().astype(int))
        depth = {"depth": same.get_canalizing_depth(), "exact_depth": True}
    drawn = boolforge.random_function(truth.ndim, **depth, rng=rng)
    return np.array(drawn.f, dtype=bool).reshape(truth.shape)


# -- contestants -----------------------------------------------------------------------------------


def model_result(
    rules: str, share: float, seed: int, model: Mapping[str, Any], train: Mapping[str, Any]
) -> dict[str, Any]:
    """What a model has right of the held-out states, rule by rule."""
    world, hold_out = world_from_text(rules, "a network"), HoldOut(fraction=share)
    with trained_model(world, hold_out, seed, model, train) as (result, trained):
        seen, held_out = (
            graded_model(right_by_part(world, trained.complete(world.prompts(states))))
            for states in (
                sampled(trained.split.seen, seed, "seen"),
                sampled(trained.split.held_out, seed, "held-out"),
            )
        )
        return {
            "steps": result.steps,
            "seconds": result.seconds,
            "seen": _by_rule(seen),
            "held_out": _by_rule(held_out),
        }


def baseline_results(
    rules: str, share: float, seed: int, rows: int, names: Sequence[str]
) -> dict[str, Any]:
    """The same of each baseline that can be applied, the mean over its ties; and of each rule how
    complex it is.
    """
    world, hold_out = world_from_text(rules, "a network"), HoldOut(fraction=share)
    seen, _, asked = split_states(world, hold_out, seed, rows)
    values = world.part_values(asked)
    learned = {name: baseline_predictions(name, world, seen, asked) for name in names}
    return {
        "rules": {
            part: {
                "degree": fourier_degree(world, part),
                "sensitivity": average_sensitivity(world, part),
            }
            for part in world.parts
        },
        "held_out": {
            name: _by_rule(graded_baseline(found, values, slice(None)))
            for name, found in learned.items()
            if found is not None
        },
    }


def _by_rule(grades: Grades) -> dict[str, float]:
    """The share of states in which each rule is right, and all of them are (`EXACT`)."""
    return {part: float(share.mean()) for part, share in grades.shares.items()}
