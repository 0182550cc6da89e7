"""What every kind of experiment has in common: a file, cells, and what comes out of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field
from typing_extensions import Self

from the_experiment.base.errors import ExperimentError
from the_experiment.base.names import NAME
from the_experiment.base.registry import Registry
from the_experiment.base.runs import EXPERIMENTS
from the_experiment.base.strict import Strict
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome

QUICK = "quick"


class WrongKeyError(ExperimentError):
    """A key of an experiment file has a value that it can't have."""


class Experiment(Strict, ABC):
    """An experiment file: all that its results depend on.

    A kind of experiment is a class below this one, in the `config.py` of a folder of its own beside
    this module, with a decorator: `KINDS.register("mine")`. Beside it lies `new.yaml`, a file to
    start from. Nothing here needs torch until a cell is computed.
    """

    parent: ClassVar[str] = EXPERIMENTS  # in the output folder: where the results of a kind lie
    kind: str
    name: str = Field(pattern=NAME)
    question: str

    @property
    def jobs(self) -> int:
        """How many cells are computed at a time if nobody says; 0: one for each core."""
        return 0

    @property
    def reports_in_part(self) -> bool:
        """Whether its outcome can be told of the cells that are there, if others failed."""
        return False

    @property
    def costs_money(self) -> bool:
        """Whether somebody is paid for its answers."""
        return False

    def folder(self, out: Path) -> Path:
        """Where its cells and its report lie; the report of a quick run is in `quick` there."""
        return out / self.parent / self.name

    def with_files(self, found: Callable[[str], str]) -> Self:  # noqa: ARG002 - most name none
        """The same with each name of a file as `found` gives it."""
        return self

    def check(self) -> None:
        """Raise `WrongKeyError` that names the key which is wrong: what a schema can't tell."""

    def check_models(self) -> None:
        """Raise `WrongKeyError` for a model that there is not. May import torch."""

    @abstractmethod
    def summary(self) -> Mapping[str, str]:
        """What it is going to do, by what that is about."""

    @abstractmethod
    def cells(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """The cells whose results it is about, by what each is; those that they need come along."""

    def first(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:  # noqa: ARG002 - most have none
        """Those of `cells` that decide which of the others are worth computing; none: all are."""
        return {}

    def rest(self, results: Mapping[Any, Any], out: Path, *, quick: bool) -> Mapping[Any, Cell]:  # noqa: ARG002
        """The cells that are worth computing, those of `first` among them, given its results."""
        return self.cells(out, quick=quick)

    def so_far(self, results: Mapping[Any, Any]) -> list[str]:  # noqa: ARG002 - most say nothing
        """Sentences on the results of some cells, while the others are computed."""
        return []

    @abstractmethod
    def outcome(self, results: Mapping[Any, Any], *, quick: bool) -> Outcome:
        """What the results say; each stands where its cell does in `cells`."""


KINDS: Registry[type[Experiment]] = Registry(
    "kind of experiment", "the_experiment.experiments", "the_experiment.kinds"
)
