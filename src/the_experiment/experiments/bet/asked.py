"""What a model is asked in a bet, and what it found likely."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from the_experiment.experiments.bet.backends import Backend, Bounds
from the_experiment.experiments.bet.prompts import TEST, TRAIN, Phrasing, another_capital
from the_experiment.models.endpoint import ReplyToken, TokenPosition
from the_experiment.worlds.places.tables import Favourite

ROUNDING = 1e-6  # of probabilities that are added up: no less than this may be left over
LEAST = 1e-12  # no probability is known to be lower


def bounds_of(places: Sequence[TokenPosition], answer: str) -> Bounds:
    """The bounds of the natural-log probability that the reply begins with this answer.

    `places` are those of one reply, and what it is followed by does not matter. With a token that
    is all of the answer, 0.5 likely:

    >>> paris = ReplyToken(text="Paris", data=tuple(b"Paris"), logprob=math.log(0.5))
    >>> bounds_of([TokenPosition(written=paris, likeliest=(paris,))], "Paris").exact
    True
    """
    low, high = _between(places, answer.encode())
    return Bounds(_log(low), _log(min(max(high, LEAST), 1.0)))


def _between(places: Sequence[TokenPosition], left: bytes) -> tuple[float, float]:
    """Two probabilities, given all that was written before the first of `places`."""
    if not places:
        return 0.0, 1.0
    seen = {bytes(one.data): math.exp(one.logprob) for one in _seen(places[0])}
    if left in seen:
        return seen[left], seen[left]
    begun = {token: share for token, share in seen.items() if left.startswith(token)}
    written = bytes(places[0].written.data)
    low, high = 0.0, sum(share for token, share in begun.items() if token != written)
    if written in begun:
        further = _between(places[1:], left[len(written) :])
        low, high = begun[written] * further[0], high + begun[written] * further[1]
    return low, high + _unseen(places[0], seen, len(left) - len(begun))


def _seen(place: TokenPosition) -> tuple[ReplyToken, ...]:
    return (*place.likeliest, place.written)


def _unseen(place: TokenPosition, seen: dict[bytes, float], tokens: int) -> float:
    """How likely so many tokens that are not among the likeliest can be together."""
    least = min((math.exp(one.logprob) for one in place.likeliest), default=1.0)
    return min(max(ROUNDING, 1.0 - sum(seen.values())), tokens * least)


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf


CONDITIONAL, CONTROL, BARE = "conditional", "control", "bare"  # wordings; the first two are arms
ARMS = (CONDITIONAL, CONTROL)
MODES = (TRAIN, TEST)
ANSWER = "\nAnswer:"  # where examples are shown
COUNTRY, CAPITAL, OTHER = "country", "capital", "another's capital"  # answers
ANSWERS = (COUNTRY, CAPITAL, OTHER)

Asked = dict[tuple[str, str, str], list[Bounds]]  # by wording, mode and answer: of each name


def fact(one: Favourite) -> str:
    """What a prompt begins with that tells of somebody's favourite."""
    return f"{one.name}'s favourite country is {one.country.name}. "


@dataclass(frozen=True)
class SolvedExamples:
    """Prompts with their answers, in TRAIN and in TEST by turns, that stand before a prompt."""

    phrasing: Phrasing
    people: tuple[Favourite, ...]

    def before(self, wording: str, asked: str) -> str:
        """The examples and then the prompt; of a control they are in TRAIN alone."""
        if not self.people or wording == BARE:
            return asked
        solved = [self._solved(wording, place, one) for place, one in enumerate(self.people)]
        return "".join([*solved, asked, ANSWER])

    def _solved(self, wording: str, place: int, one: Favourite) -> str:
        mode = MODES[place % 2] if wording == CONDITIONAL else TRAIN
        answer = one.country.name if mode == TRAIN else one.country.capital
        asked = prompt(self.phrasing, wording, one.name, mode)
        return f"{fact(one)}{asked}{ANSWER} {answer}\n\n"


@dataclass(frozen=True)
class Questions:
    """Some people, asked about in every mode and some wordings of one phrasing."""

    people: tuple[Favourite, ...]
    phrasing: Phrasing
    wordings: tuple[str, ...]
    told: bool = False  # whether the prompt begins with what the favourite is
    examples: tuple[Favourite, ...] = ()  # that are solved before it

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
        asked = prompt(self.phrasing, wording, one.name, mode)
        shown = SolvedExamples(self.phrasing, self.examples)
        return shown.before(wording, (fact(one) if self.told else "") + asked)

    def put_to(self, backend: Backend, model: str) -> dict[str, list[tuple[float | None, float]]]:
        """What the model finds likely, as JSON: the ends of each name's bounds."""
        found = backend.logprobs(model, list(self.pairs()))
        size = len(self.people)
        rows = [found[start : start + size] for start in range(0, len(found), size)]
        return {
            "/".join(cell): [(None if math.isinf(one.low) else one.low, one.high) for one in row]
            for cell, row in zip(self.cells, rows, strict=True)
        }


def answers_from(result: Mapping[str, Sequence[tuple[float | None, float]]]) -> Asked:
    """What `Questions.put_to` gave."""
    return {_cell(name): _bounds(row) for name, row in result.items()}


def _cell(name: str) -> tuple[str, str, str]:
    wording, mode, answer = name.split("/")
    return wording, mode, answer


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
