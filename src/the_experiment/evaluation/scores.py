"""How much of a split a model or baseline has right, by measure: in cases, and over all ties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import product
from typing import Any

import numpy as np

from the_experiment.base.seeds import Integers, Stream
from the_experiment.data.cases import Cases, Truths
from the_experiment.evaluation.predictions import ROUNDING, Predictions, Shares, always, sometimes
from the_experiment.evaluation.statistics import Rate, percent
from the_experiment.worlds import EXACT, World

MOST_WAYS = 1024  # to break the ties of a baseline that are looked at one by one; of more …
DRAWN_WAYS = 256  # … so many are drawn
ALL_RULES = "all rules"  # measures with a blank: no part can have such a name
ALL_AGGREGATES = "all aggregates"


def measures_of(world: World) -> dict[str, list[str]]:
    """What is measured: each part, the rules together, the aggregates together, and all of it.

    >>> from the_experiment.worlds import find_world
    >>> list(measures_of(find_world("causal")))
    ['all rules', 'newA', 'newB', 'newC', 'newD', 'all aggregates', 'sum', 'sum2', 'exact']
    """
    rules = world.rule_parts
    aggregates = [part for part in world.parts if part not in rules]
    return {
        ALL_RULES: rules,
        **{part: [part] for part in rules},
        **({ALL_AGGREGATES: aggregates} if aggregates else {}),
        **{part: [part] for part in aggregates},
        EXACT: world.parts,
    }


@dataclass(frozen=True)
class Grades:
    """Answers to n states, held against the rules: by part, and as a whole under `EXACT`.

    `shares` (n,) says in which share of its tie-breaks a baseline is right in each state, and
    `solves` in which share it is right in all of them. A model has no ties: 0 or 1. `ways` are the
    shares of each tie-break by itself where a tie spans states, as a majority's does; else there is
    one, with the shares of all.
    """

    shares: Mapping[str, Shares]
    solves: Mapping[str, float]
    ways: Sequence[Mapping[str, Shares]]

    def solves_all(self, parts: Sequence[str]) -> float:
        """The share of tie-breaks in which all these parts are right in all states."""
        return math.prod(self.solves[part] for part in parts)

    def all_right(self, parts: Sequence[str]) -> int:
        """In how many states all these parts are right in every tie-break, in the worst way."""
        return min(
            int(np.logical_and.reduce([always(way[part]) for part in parts]).sum())
            for way in self.ways
        )

    def ways_of(self, part: str) -> list[Shares]:
        """Every different way to break the ties of one part."""
        return list({way[part].tobytes(): way[part] for way in self.ways}.values())

    def right(self, cases: Cases) -> Shares:
        """(ways, cases): how right each case is in each way."""
        return np.stack([cases.right(way.__getitem__) for way in self.ways])


def graded_model(right: Mapping[str, Sequence[bool]]) -> Grades:
    """`right` says for each part, and for exact match, in which states a model is right."""
    shares = {part: np.array(states, dtype=float) for part, states in right.items()}
    return Grades(shares, {part: float(share.all()) for part, share in shares.items()}, [shares])


def graded_baseline(
    learned: Mapping[str, Predictions], truth: Mapping[str, Integers], among: slice
) -> Grades:
    """A baseline on some of the states. Its ties in one part don't depend on another's.

    A part that it can't be applied to is left out, and with it what is exact.
    """
    shares = {part: one.right(truth[part])[among] for part, one in learned.items()}
    solves = {part: one.all_right(truth[part], among) for part, one in learned.items()}
    ways = [
        shares | {part: (draw == truth[part])[among].astype(float) for part, draw in way.items()}
        for way in _ways({part: one.draws for part, one in learned.items()})
    ]
    if learned.keys() == truth.keys():
        solves = solves | {EXACT: math.prod(solves.values())}
        shares, *ways = [
            way | {EXACT: np.prod(list(way.values()), axis=0)} for way in (shares, *ways)
        ]
    return Grades(shares, solves, ways)


def _ways(draws: Mapping[str, Integers | None]) -> list[dict[str, Integers]]:
    """Every draw of one part with every draw of the others, or some where they are too many."""
    listed = {part: of for part, of in draws.items() if of is not None and len(of) > 1}
    if math.prod(map(len, listed.values())) <= MOST_WAYS:
        return [dict(zip(listed, way, strict=True)) for way in product(*listed.values())]
    stream = Stream(0, "ways")
    drawn = {part: of[stream.below(len(of), DRAWN_WAYS)] for part, of in listed.items()}
    return [{part: of[way] for part, of in drawn.items()} for way in range(DRAWN_WAYS)]


@dataclass(frozen=True)
class Count:
    """Cases that are right in every tie-break, in at least one, on average, and all there are.

    A model has no ties, so that the three are the same.

    >>> Count.of(np.array([[1.0, 0.5]])) + Count.of(np.array([[1.0, 1.0]]))
    Count(always=3, sometimes=4, mean=3.5, n=4)
    """

    always: int
    sometimes: int
    mean: float
    n: int

    @classmethod
    def of(cls, right: Shares) -> Count:
        """`right` (ways, cases) is the share of tie-breaks in which each case is right.

        `always` is counted in the worst way, `sometimes` in the best; see `Grades.ways`.
        """
        low, high = always(right).sum(axis=1).min(), sometimes(right).sum(axis=1).max()
        return cls(int(low), int(high), float(right.sum(axis=1).mean()), right.shape[1])

    def __add__(self, other: Count) -> Count:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Count(*(one + another for one, another in pairs))

    @property
    def share(self) -> float:
        """The mean share that is right; NaN of no cases."""
        return self.mean / self.n if self.n else float("nan")

    def rank(self, sure: bool) -> tuple[int, int]:
        """What the best baseline has most of: what it is sure of, or what it may have right."""
        return (self.always, self.sometimes) if sure else (self.sometimes, self.always)

    @property
    def range(self) -> str:
        """`6`; with ties `5–6`."""
        return f"{self.always}" + f"–{self.sometimes}" * (self.always < self.sometimes)

    def __str__(self) -> str:
        """`6/6 [.61–1.0]`; with ties `5–6/6`."""
        if self.always == self.sometimes:
            return str(Rate(self.always, self.n))
        return f"{self.range}/{self.n}"

    @property
    def average(self) -> str:
        """`27/66`; with ties `42/66 (32–52)`."""
        return f"{self.mean:.3g}/{self.n}" + f" ({self.range})" * (self.always < self.sometimes)

    def as_json(self) -> dict[str, float]:
        """The count as plain values, with the interval (Wilson) around its ends."""
        low, high = Rate(self.always, self.n).low, Rate(self.sometimes, self.n).high
        return {**vars(self), "low": low, "high": high}


@dataclass(frozen=True)
class Score:
    """One measure on the held-out cases: those that are new, and those that were seen elsewhere."""

    new: Count
    seen_before: Count
    solves: float  # the share of tie-breaks in which all of it is right

    @classmethod
    def of(cls, right: Shares, solves: float, new: Truths) -> Score:
        """From how right each case is (ways, cases), and which cases are new."""
        return cls(Count.of(right[:, new]), Count.of(right[:, ~new]), solves)

    def __str__(self) -> str:
        """New cases with their interval; none for cases that were seen in other states."""
        new, old = self.new, self.seen_before
        solved = f" (all in {percent(self.solves)})" if 0 < self.solves < 1 - ROUNDING else ""
        told = [str(new)] if new.n else []
        told += [f"{old.range}/{old.n} seen"] if old.n else []
        return (", ".join(told) or "–") + solved

    def as_json(self) -> dict[str, Any]:
        """The score as plain values."""
        counts = {"new": self.new.as_json(), "seen_before": self.seen_before.as_json()}
        return counts | {"solves": self.solves}
