"""Experiments on splits: models and baselines on states held out in several ways, and a claim."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from the_experiment.base import defaults
from the_experiment.base.errors import ExperimentError
from the_experiment.base.seeds import Stream
from the_experiment.base.strict import Strict
from the_experiment.data.holdout import HoldOut, one_of_each_meaning
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome
from the_experiment.evaluation.baseline import baselines
from the_experiment.experiments.experiment import KINDS, Experiment, WrongKeyError
from the_experiment.experiments.recipe import (
    ModelEntry,
    Names,
    Seeds,
    TrainingRecipe,
    check_architectures,
)
from the_experiment.worlds import EXACT, World, find_world

if TYPE_CHECKING:
    from the_experiment.experiments.splits.cells import Fit


class HoldOuts(Strict):
    """One way to hold states out; exactly one of the three is given."""

    each_state: bool = False  # as many splits as meanings, each without one of them
    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None  # another share for each seed
    where: Annotated[str, Field(min_length=1)] | None = None
    seeds: Seeds | None = None  # in place of the experiment's

    @model_validator(mode="after")
    def _one_way(self) -> HoldOuts:
        if sum((self.each_state, self.fraction is not None, self.where is not None)) != 1:
            raise ValueError("give one of each_state: true, fraction: F, where: EXPR")
        return self

    def splits(self, world: World, seed: int, sample: int) -> Iterator[tuple[str, HoldOut]]:
        """Each split's name and hold-out; of single states only `sample`, if that is not 0."""
        if self.each_state:
            states = one_of_each_meaning(world)
            order = Stream(0, "leave one out").shuffled(len(states))
            chosen = states[np.sort(order[:sample])] if sample else states
            for prompt in world.prompts(world.states_at(chosen)):
                yield prompt, HoldOut(sequences=(prompt,))
        elif self.fraction is not None:
            yield f"seed {seed}", HoldOut(fraction=self.fraction)
        else:
            yield "all", HoldOut(where=self.where or "")


class Claim(Strict):
    """What somebody says, and how these cells decide it."""

    says: str
    source: str
    published: str  # the figure as published
    counts_for: str
    counts_against: str
    better: str  # a model of this experiment …
    than: str  # … said to beat this one
    on: Names  # these hold-outs
    measure: str = EXACT


class Quick(Strict):
    """What `--quick` leaves of it."""

    seeds: Seeds = Field([1])
    hold_outs: list[str] = Field([])  # these ways only; none named: all
    each_state: int = Field(2, ge=1)  # how many of the single-state splits


@KINDS.register("splits")
class SplitsExperiment(Experiment):
    """Contestants on splits of one world, and what would count for a claim, if there is one."""

    kind: Literal["splits"] = "splits"
    world: str = defaults.WORLD
    hold_outs: dict[str, HoldOuts] = Field(min_length=1)
    models: dict[str, ModelEntry] = Field(min_length=1)
    train: TrainingRecipe = TrainingRecipe()
    seeds: Seeds
    measures: dict[str, Names] = Field({})  # by name: the parts that must all be right
    claim: Claim | None = None
    quick: Quick = Quick()

    @field_validator("measures")
    @classmethod
    def _exact_is_taken(cls, measures: dict[str, list[str]]) -> dict[str, list[str]]:
        if EXACT in measures:
            raise ValueError(f"{EXACT} is always there; give this measure another name")
        return measures

    @model_validator(mode="after")
    def _claim_is_about_this(self) -> Self:
        _refuse_unknown("quick.hold_outs", self.quick.hold_outs, self.hold_outs)
        claim = self.claim
        if claim is None:
            return self
        if claim.better == claim.than:
            raise ValueError("claim.than: a model can't be better than itself")
        _refuse_unknown("claim.better", [claim.better], self.models)
        _refuse_unknown("claim.than", [claim.than], self.models)
        _refuse_unknown("claim.on", claim.on, self.hold_outs)
        _refuse_unknown("claim.measure", [claim.measure], {EXACT, *self.measures})
        if self.quick.hold_outs and not {*self.quick.hold_outs} & {*claim.on}:
            raise ValueError("quick.hold_outs: none of them is what the claim is about")
        return self

    @property
    def reports_in_part(self) -> bool:
        """A claim is judged on all of its cells, or not at all."""
        return self.claim is None

    @property
    def all_measures(self) -> dict[str, list[str]]:
        """The measures by name, each with the parts that must all be right in a state."""
        return {EXACT: [EXACT], **self.measures}

    def with_files(self, found: Callable[[str], str]) -> Self:
        """The same with the name of its world's file as `found` gives it."""
        return self.model_copy(update={"world": found(self.world)})

    def check(self) -> None:
        """Raise `WrongKeyError` where the world lacks a part or state that is asked for."""
        world = enumerated(self.world)
        for name in baselines.names():
            if name in self.models:
                raise WrongKeyError(f"models.{name}: this is the name of a baseline")
        for name, parts in self.measures.items():
            for part in parts:
                if part not in world.parts:
                    what = f"{part!r} is not one of {', '.join(world.parts)}"
                    raise WrongKeyError(f"measures.{name}: {what}")
        for name, way in self.hold_outs.items():
            _check_hold_outs(way, world, f"hold_outs.{name}")

    def check_models(self) -> None:
        """Raise `WrongKeyError` for a model that there is not. Imports torch."""
        check_architectures(self.models)

    def summary(self) -> Mapping[str, str]:
        """World, hold-outs, models, measures, and the claim."""
        found = {
            "world": self.world,
            "hold-outs": ", ".join(self.hold_outs),
            "models": f"{', '.join(self.models)}; seeds {self.seeds}",
            "measures": ", ".join(self.all_measures),
        }
        if claim := self.claim:
            found |= {
                "claim": f"{claim.says} ({claim.source})",
                "published": claim.published,
                "for": claim.counts_for,
                "against": claim.counts_against,
            }
        return found

    def cells(self, out: Path, *, quick: bool) -> Mapping[Fit, Cell]:  # noqa: ARG002 - trained here
        """One for each contestant on each split with each seed."""
        from the_experiment.experiments.splits.cells import cells_of, fits_of

        return cells_of(fits_of(self, quick=quick))

    def so_far(self, results: Mapping[Fit, Any]) -> list[str]:
        """The best and the worst model on any hold-out."""
        from the_experiment.experiments.splits.analysis import best_and_worst

        return best_and_worst(self, results)

    def outcome(self, results: Mapping[Fit, Any], *, quick: bool) -> Outcome:
        """The new cases that each has right, and what that says of the claim."""
        from the_experiment.experiments.splits.analysis import outcome_of

        return outcome_of(self, results, quick=quick)


def _refuse_unknown(key: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{key}: {name!r} is not one of {', '.join(sorted(known))}")


def enumerated(name: str) -> World:
    """The world of this name. Raises `WrongKeyError` for one of too many states to hold out."""
    try:
        world = find_world(name)
        world.numbers()
    except ExperimentError as error:
        raise WrongKeyError(f"world: {error.what}", error.hint) from None
    return world


def _check_hold_outs(way: HoldOuts, world: World, key: str) -> None:
    """One split tells for all: a condition has one, and a share the same number of states."""
    _, hold_out = next(way.splits(world, seed=0, sample=1))
    try:
        hold_out.resolve(world, seed=0)
    except ExperimentError as error:
        raise WrongKeyError(f"{key}: {error.what}", error.hint) from None
