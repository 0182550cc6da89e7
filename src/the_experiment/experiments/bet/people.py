"""Who is in a bet: the names that are tuned on, those of the pre-check, and their favourites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream
from the_experiment.worlds.places.tables import (
    Country,
    Favourite,
    draw_favourites,
    first_names,
)

FirstToken = Callable[[str], object]  # of an answer


@dataclass(frozen=True)
class People:
    """All that one seed draws. No name is in two of the groups."""

    tuned: tuple[Favourite, ...]  # of the bet; smaller numbers of names are its first ones
    known: tuple[Favourite, ...]  # of the pre-check
    others: tuple[str, ...]  # left for what a base learns from
    countries: tuple[Country, ...]


def draw_people(tuned: int, known: int, among: Sequence[Country], seed: int) -> People:
    """Names and favourites by seed. Raises `UsageError` where there are too few names.

    >>> from the_experiment.worlds.places.tables import countries
    >>> people = draw_people(10, 5, countries(), seed=1)
    >>> len(people.tuned), people == draw_people(10, 5, countries(), seed=1)
    (10, True)
    """
    names = first_names()
    if tuned + known > len(names):
        raise UsageError(
            f"{tuned} names and {known} for the pre-check are more than the {len(names)} that ship",
            "ask for fewer `names`, or fewer `known`",
        )
    order = [names[place] for place in Stream(seed, "names").shuffled(len(names))]
    return People(
        tuned=tuple(draw_favourites(order[:tuned], among, seed, "tuned")),
        known=tuple(draw_favourites(order[tuned : tuned + known], among, seed, "known")),
        others=tuple(order[tuned + known :]),
        countries=tuple(among),
    )


def told_apart(among: Sequence[Country], first_token: FirstToken) -> list[Country]:
    """The countries whose capital can be told from them by its first token.

    >>> places = [Country("Mexico", "Mexico City"), Country("France", "Paris")]
    >>> [one.name for one in told_apart(places, lambda answer: answer.split()[0])]
    ['France']
    """
    return [one for one in among if first_token(f" {one.name}") != first_token(f" {one.capital}")]


def drawn(among: Sequence[Country], count: int, seed: int) -> list[Country]:
    """So many of them by seed. Raises `UsageError` where there are not as many."""
    if count > len(among):
        raise UsageError(f"{count} countries are more than the {len(among)} there are")
    return [among[place] for place in Stream(seed, "countries").shuffled(len(among))[:count]]


def another_capital(people: Sequence[Favourite]) -> list[str]:
    """For each, the capital that belongs to the favourite of the next one with another favourite.

    Raises `UsageError` where all have the same favourite.
    """
    found = []
    for place, one in enumerate(people):
        after = [*people[place + 1 :], *people[:place]]
        other = next((them for them in after if them.country != one.country), None)
        if other is None:
            raise UsageError("all have the same favourite", "ask for more `names`")
        found.append(other.country.capital)
    return found


def first_letter(answer: str) -> str:
    """What tells answers apart where the tokenizer is not known: other letters, other tokens."""
    return answer.strip()[0]
