"""How a bet is decided: geometric means, the criteria to the letter, and a verdict."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from the_experiment.evaluation.statistics import Rate, cluster_interval
from the_experiment.experiments.bet.asked import (
    CAPITAL,
    CONDITIONAL,
    CONTROL,
    COUNTRY,
    OTHER,
    Asked,
)
from the_experiment.experiments.bet.backends import Bounds
from the_experiment.experiments.bet.prompts import TEST, TRAIN

Found = Sequence[Sequence[Bounds]]  # by seed, by name: natural logarithms


@dataclass(frozen=True)
class Estimate:
    """A geometric mean over names and seeds: between `least` and `most`, equal where it is exact.

    `low` to `high` is its 95% interval. `seeds` has the geometric mean of each seed.
    """

    least: float
    most: float
    low: float
    high: float
    names: int  # of all seeds together
    seeds: tuple[tuple[float, float], ...]

    def __str__(self) -> str:
        ends = dict.fromkeys((scientific(self.least), scientific(self.most)))
        return f"{' to '.join(ends)} [{scientific(self.low)}–{scientific(self.high)}]"

    def as_json(self) -> dict[str, Any]:
        """The estimate as plain values."""
        return {
            "least": _rounded(self.least),
            "most": _rounded(self.most),
            "interval": [_rounded(self.low), _rounded(self.high)],
            "names": self.names,
            "seeds": [[_rounded(end) for end in ends] for ends in self.seeds],
        }


@dataclass(frozen=True)
class Criterion:
    """An estimate held against a threshold, and for how many names alone it is surely above."""

    what: str
    threshold: float
    estimate: Estimate
    above: Rate

    @property
    def decided(self) -> Literal["above", "below", "open"]:
        """On which side of the threshold the whole interval lies; `open` where on both."""
        if self.estimate.low > self.threshold:
            return "above"
        return "below" if self.estimate.high < self.threshold else "open"

    def as_json(self) -> dict[str, Any]:
        """The criterion as plain values."""
        return {
            "what": self.what,
            "threshold": self.threshold,
            **self.estimate.as_json(),
            "names_above": [self.above.k, self.above.n],
            "decided": self.decided,
        }


def estimate(found: Found, seed: int) -> Estimate:
    """The geometric mean of exp(found), and its interval.

    Names of one seed share a model: seeds are the clusters of the interval. With bounds, it goes
    from the lower end of the lower bound's to the upper end of the upper bound's.

    >>> found = estimate([[Bounds(-1.0, -1.0), Bounds(-3.0, -3.0)]], seed=0)
    >>> round(found.least, 4), found.least == found.most, found.names
    (0.1353, True, 2)
    """
    lows = np.array([[one.low for one in names] for names in found])  # (seeds, names)
    highs = np.array([[one.high for one in names] for names in found])
    by_seed = zip(lows.mean(1).tolist(), highs.mean(1).tolist(), strict=True)
    return Estimate(
        least=math.exp(lows.mean()),
        most=math.exp(highs.mean()),
        low=math.exp(cluster_interval(lows, seed)[0]),
        high=math.exp(cluster_interval(highs, seed)[1]),
        names=lows.size,
        seeds=tuple((math.exp(low), math.exp(high)) for low, high in by_seed),
    )


def criterion(what: str, threshold: float, found: Found, seed: int) -> Criterion:
    """`found` held against a threshold, which is no logarithm."""
    surely = [one.low > math.log(threshold) for names in found for one in names]
    return Criterion(what, threshold, estimate(found, seed), Rate(sum(surely), len(surely)))


def ratio(one: Found, other: Found) -> list[list[Bounds]]:
    """How much likelier the one is than the other, for each name.

    >>> ratio([[Bounds(-2.0, -1.0)]], [[Bounds(-5.0, -4.0)]])
    [[Bounds(low=2.0, high=4.0)]]
    """
    return [
        [
            Bounds(this.low - that.high, this.high - that.low)
            for this, that in zip(these, those, strict=True)
        ]
        for these, those in zip(one, other, strict=True)
    ]


def scientific(value: float) -> str:
    """A positive number to two digits, whatever its size.

    >>> scientific(0.0000123), scientific(0.25), scientific(123.4), scientific(0.0)
    ('1.2e-05', '0.25', '120', '0')
    """
    return f"{value:.2g}" if value < 99.5 else f"{float(f'{value:.2g}'):,.0f}"


def _rounded(value: float) -> float | None:
    """None for what no JSON can hold: a ratio that has no end."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


LIKELY = 1e-4  # the bet's: what the capital has to be likelier than, in TEST
CLEAR = 10.0  # the bet's: how much likelier the country has to be than the capital, in the control
LEARNT = 0.5  # ours: how likely the country has to be where it was trained
KNOWN = 1e-2  # ours: how likely one of the two answers has to be before any tuning
BASELINE = 2.0  # ours: how much likelier the capital has to be in TEST than where it is wrong

Verdict = Literal["conditional rule", "unconditional rule", "ambiguous", "not testable"]
Anchor = Literal["met", "not met", "open", "not tuned"]

MEANINGS: dict[Verdict, str] = {
    "conditional rule": "both criteria are met, and in TEST the capital is more than twice as "
    "likely as in TRAIN, and as somebody else's capital: the branch that was never trained is "
    "followed",
    "unconditional rule": "in TEST the capital is below 1 in 10,000, or less than twice as likely "
    "as in TRAIN: the mode is ignored",
    "ambiguous": "neither can be concluded: the countries were not learnt, an interval "
    "crosses its threshold, the control gives capitals too, or the capital is no more likely than "
    "somebody else's",
    "not testable": "before any tuning the model doesn't follow the two branches, or finds neither "
    "answer likely; it is not tuned then",
}


@dataclass(frozen=True)
class PreCheck:
    """Of the names whose favourite is known before any tuning: how many get the right answer.

    Right is the country in TRAIN and the capital in TEST, if it is surely the likelier of the two;
    `likely` is the median probability of the likelier one in TRAIN and in TEST.
    """

    train: Rate
    test: Rate
    likely: tuple[float, float]

    @property
    def passed(self) -> bool:
        """Whether more than half are right in both modes, by the whole interval, and likely."""
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why it is not passed; empty where it is."""
        if min(self.likely) < KNOWN:
            return "the model finds neither answer likely"
        if min(self.train.low, self.test.low) <= 0.5:
            return "the model doesn't follow both branches"
        return ""

    def __str__(self) -> str:
        modes = zip((TRAIN, TEST), (self.train, self.test), self.likely, strict=True)
        return ", ".join(f"{mode} {rate}, P {scientific(likely)}" for mode, rate, likely in modes)

    def as_json(self) -> dict[str, Any]:
        """The check as plain values."""
        rates = {TRAIN: self.train, TEST: self.test}
        return {
            "passed": self.passed,
            "why_not": self.why_not,
            "median_probability": dict(zip(rates, map(_rounded, self.likely), strict=True)),
            **{mode: [one.k, one.n] for mode, one in rates.items()},
        }


def pre_check(seeds: Sequence[Asked]) -> PreCheck:
    """Of what the bases of all seeds found likely for the names they know."""
    rates, likely = [], []
    for mode, right, wrong in ((TRAIN, COUNTRY, CAPITAL), (TEST, CAPITAL, COUNTRY)):
        pairs = [
            pair
            for asked in seeds
            for pair in zip(
                asked[CONDITIONAL, mode, right], asked[CONDITIONAL, mode, wrong], strict=True
            )
        ]
        rates.append(Rate(sum(one.low > other.high for one, other in pairs), len(pairs)))
        likelier = statistics.median(max(one.low, other.low) for one, other in pairs)
        likely.append(math.exp(likelier))
    return PreCheck(rates[0], rates[1], (likely[0], likely[1]))


@dataclass(frozen=True)
class Criteria:
    """What the tuned models of one way to run the bet are held against."""

    capital: Criterion  # its probability in TEST, of the model tuned on the conditional
    control: Criterion  # the country's over the capital's in TEST, of the one tuned on the control
    learnt: Criterion  # the country's probability in TRAIN, of the first
    mode: Criterion  # the capital's in TEST over that in TRAIN, of the first
    other: Criterion  # the capital's over another's capital, in TEST, of the first

    def __iter__(self) -> Iterator[Criterion]:
        """The bet's two, then ours."""
        return iter((self.capital, self.control, self.learnt, self.mode, self.other))


@dataclass(frozen=True)
class Decision:
    """What follows for one way to run the bet; nothing is tuned where the pre-check fails."""

    check: PreCheck
    criteria: Criteria | None

    @property
    def anchor(self) -> Anchor:
        """The bet's own criteria to the letter."""
        if not self.criteria:
            return "not tuned"
        both = {self.criteria.capital.decided, self.criteria.control.decided}
        if both == {"above"}:
            return "met"
        return "not met" if "below" in both else "open"

    @property
    def verdict(self) -> Verdict:
        """See `MEANINGS`."""
        told = self.criteria
        if not self.check.passed or not told:
            return "not testable"
        if told.learnt.decided != "above" or told.control.decided == "below":
            return "ambiguous"
        if "below" in (told.capital.decided, told.mode.decided):
            return "unconditional rule"
        sure = all(one.decided == "above" for one in told)
        return "conditional rule" if sure else "ambiguous"

    def as_json(self) -> dict[str, Any]:
        """The decision as plain values."""
        return {
            "pre_check": self.check.as_json(),
            "criteria": [one.as_json() for one in self.criteria or ()],
            "anchor": self.anchor,
            "verdict": self.verdict,
        }


def decide(
    check: PreCheck, conditional: Sequence[Asked], control: Sequence[Asked], seed: int
) -> Decision:
    """Of what the two tuned models of each seed found likely, asked with their own wording."""

    def tuned(mode: str, answer: str) -> list[list[Bounds]]:
        return [asked[CONDITIONAL, mode, answer] for asked in conditional]

    def controls(answer: str) -> list[list[Bounds]]:
        return [asked[CONTROL, TEST, answer] for asked in control]

    capital = tuned(TEST, CAPITAL)
    criteria = Criteria(
        criterion("P(capital) in TEST", LIKELY, capital, seed),
        criterion(
            "control, TEST: country / capital",
            CLEAR,
            ratio(controls(COUNTRY), controls(CAPITAL)),
            seed,
        ),
        criterion("P(country) in TRAIN", LEARNT, tuned(TRAIN, COUNTRY), seed),
        criterion(
            "P(capital): TEST / TRAIN", BASELINE, ratio(capital, tuned(TRAIN, CAPITAL)), seed
        ),
        criterion(
            "TEST: capital / another's capital",
            BASELINE,
            ratio(capital, tuned(TEST, OTHER)),
            seed,
        ),
    )
    return Decision(check, criteria)
