"""Shares with their intervals. A number is shown with its n or not at all."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import derived_seed

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """`k` right out of `n` distinct states, with the Wilson 95% interval.

    >>> rate = Rate(6, 6)
    >>> str(rate), round(rate.low, 2)
    ('6/6 [.61–1.0]', 0.61)
    """

    k: int
    n: int

    @property
    def share(self) -> float:
        """k / n; NaN where n is 0."""
        return self.k / self.n if self.n else float("nan")

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return wilson(self.k, self.n)[0]

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return wilson(self.k, self.n)[1]

    def as_json(self) -> dict[str, float]:
        """The rate as plain values."""
        return {"k": self.k, "n": self.n, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        return f"{self.k}/{self.n} [{short(self.low)}–{short(self.high)}]" if self.n else "–"


@functools.cache
def wilson(k: int, n: int) -> tuple[float, float]:
    """The Wilson score interval (95%) of k out of n (Wilson 1927); all of [0, 1] where n is 0."""
    from scipy.stats import binomtest

    if not n:
        return 0.0, 1.0
    interval = binomtest(k, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def newcombe(one: Rate, other: Rate, correlation: float = 0.0) -> tuple[float, float]:
    """The 95% interval of one share less the other, of two samples (Newcombe 1998, method 10).

    Both Wilson intervals, squared and added; with the `correlation` of pairs, of paired samples.

    >>> tuple(round(end, 3) for end in newcombe(Rate(409, 1319), Rate(290, 1319)))
    (0.057, 0.124)
    """

    def reach(up: float, down: float) -> float:
        return math.sqrt(max(0.0, up**2 - 2 * correlation * up * down + down**2))

    gain = one.share - other.share
    low = gain - reach(one.share - one.low, other.high - other.share)
    return low, gain + reach(one.high - one.share, other.share - other.low)


def short(share: float) -> str:
    """A share in three characters, and any other number to two places.

    >>> short(0.614), short(1.0), short(-0.001), short(-0.5), short(12.5)
    ('.61', '1.0', '.00', '-.50', '12.50')
    """
    text = f"{abs(share):.2f}"
    text = "1.0" if text == "1.00" else text.removeprefix("0")
    return f"-{text}" if share < 0 and text != ".00" else text


def percent(share: float) -> str:
    """A share in whole percent; never 0% of what is more, nor 100% of what is less.

    >>> percent(0.834), percent(0.004), percent(0.9999), percent(1.0)
    ('83%', '<1%', '>99%', '100%')
    """
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def share_interval(part: Numbers, whole: Numbers, seed: int) -> tuple[float, float]:
    """The 95% bootstrap interval of sum(part) / sum(whole), all wholes above 0 (Efron, 1979).

    All of [0, 1] where there is but one pair.
    """
    from scipy.stats import bootstrap

    if len(whole) < 2:
        return 0.0, 1.0
    found = bootstrap(
        (part, whole),
        lambda one, other, axis: one.sum(axis) / other.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=1_000,
        method="percentile",
        rng=derived_seed(seed, "bootstrap"),
    ).confidence_interval
    return float(found.low), float(found.high)
