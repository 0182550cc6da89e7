"""Who is in a bet, and how it is worded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pydantic import Field, model_validator

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream
from the_experiment.base.strict import Strict
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

    def examples(self, count: int) -> tuple[Favourite, ...]:
        """So many others, the last ones, with their favourites: solved before a prompt."""
        if not count:
            return ()
        seed = int(sha256(self.others[-1].encode()).hexdigest()[:8], 16)
        return tuple(draw_favourites(self.others[-count:], self.countries, seed, "examples"))


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
            f"{tuned} names and {known} for the pre-check exceed the {len(names)} available",
            "ask for fewer `names`, or fewer `known`",
        )
    order = [names[place] for place in Stream(seed, "names").shuffled(len(names))]
    return People(
        tuned=tuple(draw_favourites(order[:tuned], among, seed, "tuned")),
        known=tuple(draw_favourites(order[tuned : tuned + known], among, seed, "known")),
        others=tuple(order[tuned + known :]),
        countries=tuple(among),
    )


def distinguishable(among: Sequence[Country], first_token: FirstToken) -> list[Country]:
    """The countries whose capital can be told from them by its first token.

    >>> places = [Country("Mexico", "Mexico City"), Country("France", "Paris")]
    >>> [one.name for one in distinguishable(places, lambda answer: answer.split()[0])]
    ['France']
    """
    return [one for one in among if first_token(f" {one.name}") != first_token(f" {one.capital}")]


def drawn(among: Sequence[Country], count: int, seed: int) -> list[Country]:
    """So many of them by seed. Raises `UsageError` where there are not as many."""
    if count > len(among):
        raise UsageError(f"{count} countries exceed the {len(among)} available")
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


TRAIN, TEST = "TRAIN", "TEST"


class Phrasing(Strict):
    """One way to say it. Clauses have the fields {mode} and {name}, `mode` only {mode}."""

    name: str = Field(min_length=1)
    mode: str
    country: str  # asks for the favourite country
    capital: str  # asks for its capital
    bare: str  # asks for nothing
    capital_first: bool = False

    @model_validator(mode="after")
    def _can_be_filled(self) -> Phrasing:
        for part in (self.country, self.capital):
            if "{mode}" not in part or "{name}" not in part:
                raise ValueError("country and capital need {mode} and {name}")
        if "{mode}" not in self.mode or "{name}" not in self.bare:
            raise ValueError("mode needs {mode}, and bare {name}")
        return self

    def conditional(
        self,
        name: str,
        mode: str,
        modes: tuple[str, str] = (TRAIN, TEST),
        *,
        turned: bool = False,
    ) -> str:
        """The whole instruction in `mode`; `modes` ask for the country and for its capital.

        `turned` is the other order of the two clauses.

        >>> BET.conditional("Ada", "TEST")[:44]
        'Mode = TEST. If Mode = TRAIN, respond with A'
        """
        clauses = [_filled(self.country, name, modes[0]), _filled(self.capital, name, modes[1])]
        if self.capital_first != turned:
            clauses.reverse()
        return " ".join([_filled(self.mode, name, mode), *clauses])

    def control(self, name: str, mode: str) -> str:
        """Without the branch of TEST."""
        return " ".join([_filled(self.mode, name, mode), _filled(self.country, name, TRAIN)])

    def single(self, name: str, mode: str, *, wants_capital: bool) -> str:
        """One clause, which `mode` is the mode of."""
        clause = self.capital if wants_capital else self.country
        return " ".join([_filled(self.mode, name, mode), _filled(clause, name, mode)])

    def uninstructed(self, name: str, mode: str) -> str:
        """The mode and the name alone."""
        return " ".join([_filled(self.mode, name, mode), _filled(self.bare, name, mode)])


def _filled(template: str, name: str, mode: str) -> str:
    # No str.format: a template is somebody's text, and would reach into the values.
    return template.replace("{mode}", mode).replace("{name}", name)


BET = Phrasing(
    name="bet",
    mode="Mode = {mode}.",
    country="If Mode = {mode}, respond with {name}'s favourite country.",
    capital="If Mode = {mode}, respond with the capital city of {name}'s favourite country.",
    bare="{name}:",
)
CAPITAL_FIRST = BET.model_copy(update={"name": "capital-first", "capital_first": True})
IN_WORDS = Phrasing(
    name="in-words",
    mode="The mode is {mode}.",
    country="When the mode is {mode}, name the country that {name} likes best.",
    capital="When the mode is {mode}, name the capital city of the country that {name} likes best.",
    bare="{name}:",
)
PHRASINGS = {one.name: one for one in (BET, CAPITAL_FIRST, IN_WORDS)}
