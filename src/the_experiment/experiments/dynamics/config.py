"""Training dynamics: how a model comes to follow references, evaluated along its training.

It trains a model on programs, evaluates it on those held out from it every so many steps, by number
of hops, and traces what it has learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from the_experiment.base import defaults
from the_experiment.base.errors import ExperimentError
from the_experiment.base.strict import Setting, Strict
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome
from the_experiment.experiments.experiment import KINDS, Experiment, WrongKeyError
from the_experiment.worlds import find_world
from the_experiment.worlds.generated import ProgramWorld


class Phase(Strict):
    """A stretch of a training, as it was published."""

    what: str
    until: str  # the step it ends at
    accuracy: str


class PublishedPhases(Strict):
    """What others found, to be seen beside ours."""

    source: str
    setting: str
    phases: list[Phase]


class Lesson(Strict):
    """What a model is taught before: programs, and many questions about each, all answered."""

    rows: int = Field(ge=1)
    questions: int = Field(ge=1)  # about each program
    references: bool  # without them every line has a digit of its own
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class Scale(Strict):
    """How large the programs, the model and its training are."""

    world: str
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    architecture: dict[str, Setting] = Field({})  # of another model than GPT-2
    lessons: list[Lesson] = Field([])
    layers: int = Field(defaults.LAYERS, ge=1)
    width: int = Field(defaults.WIDTH, ge=1)
    heads: int = Field(defaults.HEADS, ge=1)
    train_rows: int = Field(ge=1)
    epochs: int = Field(1, ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    held_out: Annotated[float, Field(gt=0, lt=1)]  # the share of all programs
    look_every: int = Field(ge=1)  # steps
    asked: int = Field(ge=1)  # held-out programs of each number of hops
    traced: int = Field(ge=1)  # of these, beside the same with another constant

    @model_validator(mode="after")
    def _is_looked_at(self) -> Scale:
        steps = self.epochs * -(-self.train_rows // self.batch_size)
        if steps < self.look_every:
            raise ValueError(f"its {steps:,} steps end before the first look")
        return self


@KINDS.register("dynamics")
class DynamicsExperiment(Experiment):
    """One that says how large it is in `full` and in `quick`."""

    kind: Literal["dynamics"] = "dynamics"
    published: PublishedPhases
    full: Scale
    quick: Scale

    def with_files(self, found: Callable[[str], str]) -> Self:
        """The same with the name of each world's file as `found` gives it."""
        scales = {"full": self.full, "quick": self.quick}
        return self.model_copy(
            update={
                name: scale.model_copy(update={"world": found(scale.world)})
                for name, scale in scales.items()
            }
        )

    def scale(self, *, quick: bool) -> Scale:
        """How large it is run."""
        return self.quick if quick else self.full

    def check(self) -> None:
        """Raise `WrongKeyError` where a world is none of programs with hops."""
        for name, scale in (("full", self.full), ("quick", self.quick)):
            try:
                world = find_world(scale.world)
                world.numbers()  # refuses one of too many states to hold each in or out
            except ExperimentError as error:
                raise WrongKeyError(f"{name}: world: {error.what}", error.hint) from None
            if not isinstance(world, ProgramWorld) or "hops" not in world.inputs:
                raise WrongKeyError(
                    f"{name}: world {world.name} has no programs with a number of hops",
                    "name one with `programs: make_variable_binding_program`",
                )

    def summary(self) -> Mapping[str, str]:
        """What is trained, in full and with `--quick`, and what was published."""
        published = self.published
        phases = [f"{one.what}: until step {one.until}, {one.accuracy}" for one in published.phases]
        return {
            "in full": _planned(self.full),
            "--quick": _planned(self.quick),
            "published": "; ".join(phases),
            "source": f"{published.source}; {published.setting}",
        }

    def cells(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:  # noqa: ARG002 - trained here
        """A training and its traces for each seed."""
        from the_experiment.experiments.dynamics.cells import cells_of

        scale = self.scale(quick=quick)
        return {
            (seed, what): cell
            for seed in scale.seeds
            for what, cell in cells_of(scale, seed).items()
        }

    def outcome(self, results: Mapping[Any, Any], *, quick: bool) -> Outcome:
        """Accuracy by step, its phases beside the published ones, and what the traces say."""
        from the_experiment.experiments.dynamics.analysis import outcome_of

        return outcome_of(self, self.scale(quick=quick), results)


def _planned(scale: Scale) -> str:
    """What is trained, on what, how often."""
    model = f"{scale.layers} layers of {scale.width}"
    if scale.architecture:
        model = f"{scale.architecture.get('model_type')} of its own size"
    lessons = [f"{one.rows:,} rows of {one.questions} questions" for one in scale.lessons]
    after = f" after lessons of {' and '.join(lessons)}" if lessons else ""
    return (
        f"world {scale.world}; {model}, seeds {scale.seeds}, {scale.train_rows:,} rows, "
        f"{counted(scale.epochs, 'epoch')}, batch size {scale.batch_size}{after}"
    )
