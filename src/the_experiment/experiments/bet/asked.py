"""What a model is asked in a bet, and the file of what it found likely."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, write_json
from the_experiment.experiments.bet.backends import Backend, Bounds
from the_experiment.experiments.bet.people import another_capital
from the_experiment.experiments.bet.prompts import TEST, TRAIN, Phrasing
from the_experiment.worlds.places.tables import Favourite

CONDITIONAL, CONTROL, BARE = "conditional", "control", "bare"  # wordings; the first two are arms
ARMS = (CONDITIONAL, CONTROL)
MODES = (TRAIN, TEST)
COUNTRY, CAPITAL, OTHER = "country", "capital", "another's capital"  # answers
ANSWERS = (COUNTRY, CAPITAL, OTHER)

Asked = dict[tuple[str, str, str], list[Bounds]]  # by wording, mode and answer: of each name
ENDS: TypeAdapter[dict[str, list[tuple[float | None, float]]]] = TypeAdapter(
    dict[str, list[tuple[float | None, float]]]  # None: minus infinity, which JSON lacks
)


@dataclass(frozen=True)
class Questions:
    """Some people, asked about in every mode and some wordings of one phrasing."""

    people: tuple[Favourite, ...]
    phrasing: Phrasing
    wordings: tuple[str, ...]
    told: bool = False  # whether the prompt begins with what the favourite is

    @property
    def cells(self) -> list[tuple[str, str, str]]:
        """Every wording, mode and answer."""
        return list(product(self.wordings, MODES, ANSWERS))

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each prompt and answer, cell by cell."""
        others = another_capital(self.people)
        for wording, mode, answer in self.cells:
            for one, other in zip(self.people, others, strict=True):
                right = {COUNTRY: one.country.name, CAPITAL: one.country.capital, OTHER: other}
                yield self._prompt(one, wording, mode), f" {right[answer]}"

    def _prompt(self, one: Favourite, wording: str, mode: str) -> str:
        fact = f"{one.name}'s favourite country is {one.country.name}. " if self.told else ""
        return fact + prompt(self.phrasing, wording, one.name, mode)

    def put_to(self, backend: Backend, model: str, place: Path) -> None:
        """Ask the model, and write what it finds likely into a file, whole or not at all."""
        found = backend.logprobs(model, list(self.pairs()))
        size = len(self.people)
        rows = [found[start : start + size] for start in range(0, len(found), size)]
        told = {
            "/".join(cell): [(None if math.isinf(one.low) else one.low, one.high) for one in row]
            for cell, row in zip(self.cells, rows, strict=True)
        }
        write_json(place, told)

    def read(self, place: Path) -> Asked:
        """What is in the file. Raises `ExperimentError` where it isn't there, or isn't whole."""
        mend = "run `the-experiment bet test`"
        try:
            rows = ENDS.validate_python(read_json(place, mend))
            return {cell: _bounds(rows["/".join(cell)]) for cell in self.cells}
        except (ValidationError, KeyError):
            raise ExperimentError(f"{place} is not whole", f"remove it and {mend}") from None


def _bounds(row: Sequence[tuple[float | None, float]]) -> list[Bounds]:
    return [Bounds(-math.inf if low is None else low, high) for low, high in row]


def prompt(phrasing: Phrasing, wording: str, name: str, mode: str) -> str:
    """The prompt of a wording."""
    say = {
        CONDITIONAL: phrasing.conditional,
        CONTROL: phrasing.control,
        BARE: phrasing.uninstructed,
    }
    return say[wording](name, mode)
