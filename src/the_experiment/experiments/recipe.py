"""What several kinds of experiment say alike: which models are trained, how, with which seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_serializer

from the_experiment.base import defaults
from the_experiment.base.defaults import Size
from the_experiment.base.strict import Strict
from the_experiment.experiments.experiment import WrongKeyError

Name = TypeVar("Name", int, str)


def _each_once(names: list[Name]) -> list[Name]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} comes twice")
    return names


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_each_once)]
Seeds = Annotated[
    list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_each_once)
]


class ModelEntry(Strict):
    """One contestant that is trained."""

    model: str
    size: Size = "match"


TrainedOn = Literal["cpu", "cuda"]


class TrainingRecipe(Strict):
    """The recipe that all models share."""

    until_fit: bool = True
    epochs: int = Field(defaults.EPOCHS, ge=1)
    learning_rate: float = Field(defaults.LEARNING_RATE, gt=0)
    batch_size: int = Field(defaults.BATCH_SIZE, ge=1)
    train_rows: int = Field(defaults.TRAIN_ROWS, ge=1)
    device: TrainedOn = "cpu"  # on a GPU GPT-2s are trained together

    @model_serializer(mode="wrap")
    def _without_the_usual_device(
        self, serialized: Callable[[TrainingRecipe], dict[str, Any]]
    ) -> dict[str, Any]:
        """What was computed before there was a choice keeps its name."""
        found = serialized(self)
        return {key: value for key, value in found.items() if (key, value) != ("device", "cpu")}


def check_architectures(models: Mapping[str, ModelEntry]) -> None:
    """Raise `WrongKeyError` for a model that there is not. Imports torch."""
    from the_experiment.models.architectures import ARCHITECTURES

    known = ARCHITECTURES.names()
    for name, entry in models.items():
        if entry.model not in known:
            what = f"{entry.model!r} is not one of {', '.join(known)}"
            raise WrongKeyError(f"models.{name}.model: {what}")
