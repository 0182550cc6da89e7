"""Networks, random rules of the same in-degrees, and the shares of their states held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from typing_extensions import Self

from the_experiment.base.errors import ExperimentError
from the_experiment.base.strict import Strict
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
from the_experiment.worlds import find_world
from the_experiment.worlds.networks.writing import boolean_rules

if TYPE_CHECKING:
    from the_experiment.experiments.regulation.cells import RegulationFit

BASELINES = "baselines"  # the contestant that stands for all of them
Shares = Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1)]
Rules = Literal["published", "rewired", "canalising", "random"]


class RegulationScale(Strict):
    """How much of it is computed."""

    networks: Names  # worlds
    rules: Annotated[list[Rules], Field(min_length=1)]
    drawn: int = Field(1, ge=1)  # of each kind of random rules, for each network
    shares: Shares  # of the states held out
    seeds: Seeds
    train: TrainingRecipe = TrainingRecipe()


@KINDS.register("regulation")
class RegulationExperiment(Experiment):
    """Boolean networks, their rules as published and drawn at random, at many shares held out."""

    kind: Literal["regulation"] = "regulation"
    models: dict[str, ModelEntry] = Field(min_length=1)
    full: RegulationScale
    quick: RegulationScale

    @property
    def reports_in_part(self) -> bool:
        """What is there can be told of; nothing is judged on all of it."""
        return True

    def scale(self, *, quick: bool) -> RegulationScale:
        """How large it is run."""
        return self.quick if quick else self.full

    def with_files(self, found: Callable[[str], str]) -> Self:
        """The same with the name of each world's file as `found` gives it."""
        scales = {"full": self.full, "quick": self.quick}
        return self.model_copy(
            update={
                name: scale.model_copy(update={"networks": [*map(found, scale.networks)]})
                for name, scale in scales.items()
            }
        )

    def check(self) -> None:
        """Raise `WrongKeyError` for a world whose parts aren't boolean rules of boolean inputs."""
        for key, scale in (("full", self.full), ("quick", self.quick)):
            for name in scale.networks:
                _check_network(f"{key}.networks", name)
        for name in (*baselines.names(), BASELINES):
            if name in self.models:
                raise WrongKeyError(f"models.{name}: this is the name of a baseline, or of all")

    def check_models(self) -> None:
        """Raise `WrongKeyError` for a model that there is not. Imports torch."""
        check_architectures(self.models)

    def summary(self) -> Mapping[str, str]:
        """What is computed, in full and with `--quick`, and the models."""
        return {
            "in full": _planned(self.full),
            "--quick": _planned(self.quick),
            "models": ", ".join(self.models),
        }

    def cells(self, out: Path, *, quick: bool) -> Mapping[RegulationFit, Cell]:  # noqa: ARG002 - trained here
        """One for each model, and one for all baselines, on each split of each set of rules."""
        from the_experiment.experiments.regulation.cells import fits_of

        return {fit: fit.cell for fit in fits_of(self, self.scale(quick=quick))}

    def outcome(self, results: Mapping[RegulationFit, Any], *, quick: bool) -> Outcome:
        """What each has right by share held out, and where it leaves the decision tree."""
        from the_experiment.experiments.regulation.analysis import outcome_of

        return outcome_of(self, results, quick=quick)


def _check_network(key: str, name: str) -> None:
    try:
        world = boolean_rules(find_world(name))
        world.numbers()
    except ExperimentError as error:
        raise WrongKeyError(f"{key}: {error.what}", error.hint) from None
    if {*world.parts} != {*world.rules}:
        raise WrongKeyError(
            f"{key}: the completion of {name} is more or less than its rules",
            "name a world of `the-experiment worlds import`",
        )


def _planned(scale: RegulationScale) -> str:
    shares = ", ".join(f"{share:.0%}" for share in scale.shares)
    drawn = f"{', '.join(scale.rules)} rules ({scale.drawn} of each that is drawn)"
    return f"{', '.join(scale.networks)}; {drawn}; {shares} held out; seeds {scale.seeds}"
