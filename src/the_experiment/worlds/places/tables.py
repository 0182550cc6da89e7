"""Two tables that ship, names and capitals, and who likes which country best: drawn by a seed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.seeds import Stream

NAMES, CAPITALS = "names.csv", "capitals.csv"


@dataclass(frozen=True)
class Country:
    """A country and its capital."""

    name: str
    capital: str


@dataclass(frozen=True)
class Favourite:
    """Somebody, and the country that is this one's favourite."""

    name: str
    country: Country


def first_names() -> list[str]:
    """The first names that ship, each once."""
    return checked_names(_rows(NAMES))


def countries() -> list[Country]:
    """The countries that ship, each with its capital."""
    return checked_countries(_rows(CAPITALS))


def checked_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """The names in a table's rows. Raises `ExperimentError` for one that is empty or comes twice.

    >>> checked_names([["Ada"], ["Bob"]])
    ['Ada', 'Bob']
    """
    for row in rows:
        if len(row) != 1 or not row[0]:
            raise ExperimentError(f"a table of names has the row {list(row)}", "one name per row")
    return _each_once([name for (name,) in rows])


def checked_countries(rows: Sequence[Sequence[str]]) -> list[Country]:
    """The countries in a table's rows.

    Raises `ExperimentError` for a row that isn't two names which differ, and for a name that comes
    twice in its column.
    """
    for row in rows:
        if len(row) != 2 or not all(row) or row[0] == row[1]:
            raise ExperimentError(
                f"a table of capitals has the row {list(row)}",
                "write a country and its capital per row, with different names",
            )
    for column in zip(*rows, strict=True):
        _each_once(column)
    return [Country(country, capital) for country, capital in rows]


def draw_favourites(
    names: Sequence[str], among: Sequence[Country], seed: int, *drawn: str | int
) -> list[Favourite]:
    """A country for each name, every country about as often; `drawn` names what they are for.

    >>> [one.name for one in draw_favourites(["Ada", "Bob"], countries(), 0)]
    ['Ada', 'Bob']
    """
    if not among:
        raise UsageError("there is no country to draw from")
    rounds = -(-len(names) // len(among))
    orders = [Stream(seed, "favourites", *drawn, number) for number in range(rounds)]
    places = [place for order in orders for place in order.shuffled(len(among)).tolist()]
    return [Favourite(name, among[place]) for name, place in zip(names, places, strict=False)]


def _rows(table: str) -> list[list[str]]:
    """A shipped table without its comments and its heading."""
    text = (files(__package__) / table).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.reader(lines))[1:]


def _each_once(names: Sequence[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ExperimentError(f"{name} comes twice in a table", "leave one of them out")
    return list(names)
