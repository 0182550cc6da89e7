"""Geometric means of probabilities over names and seeds, with bounds and intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from the_experiment.base.seeds import Stream
from the_experiment.evaluation.statistics import Numbers, Rate
from the_experiment.experiments.bet.backends import Bounds

RESAMPLES = 2_000

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

    The interval is a bootstrap in two stages, as names of one seed share a model: seeds are drawn
    again, and within each its names (Davison & Hinkley 1997, 3.8). With bounds, it goes from the
    lower end of the lower bound's to the upper end of the upper bound's.

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
        low=math.exp(_interval(lows, seed)[0]),
        high=math.exp(_interval(highs, seed)[1]),
        names=lows.size,
        seeds=tuple((math.exp(low), math.exp(high)) for low, high in by_seed),
    )


def _interval(values: Numbers, seed: int) -> tuple[float, float]:
    seeds, names = values.shape
    stream = Stream(seed, "bootstrap")
    chosen = stream.below(seeds, RESAMPLES * seeds).reshape(RESAMPLES, seeds, 1)
    within = stream.below(names, RESAMPLES * seeds * names).reshape(RESAMPLES, seeds, names)
    means = values[chosen, within].mean((1, 2))
    low, high = np.quantile(means, [0.025, 0.975], method="inverted_cdf")  # no sums of infinities
    return float(low), float(high)


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
