"""Another kind of experiment: how one model comes to follow references, told from its training.

It trains a model on programs, looks at those held out from it every so many steps, by number of
hops, and traces what it has learnt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, model_validator

from the_experiment.base import defaults
from the_experiment.base.names import NAME
from the_experiment.base.strict import Strict

# A value in a YAML file as transformers wants it: our reader gives texts.
Single = Annotated[int | float | bool | str, Field(union_mode="left_to_right")]
Setting = Annotated[Single | list[Single], Field(union_mode="left_to_right")]


class Phase(Strict):
    """A stretch of a training, as it was published."""

    what: str
    until: str  # the step it ends at
    accuracy: str


class Published(Strict):
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


class Course(Strict):
    """An experiment file of this kind: one that says how large it is in `full` and in `quick`."""

    name: str = Field(pattern=NAME)
    question: str
    published: Published
    full: Scale
    quick: Scale

    def with_worlds(self, found: Callable[[str], str]) -> Course:
        """The same with each world's name as `found` gives it."""
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
