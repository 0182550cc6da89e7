"""Drops between two answers to the same questions, with intervals and tests that know the pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np

from the_experiment.base.seeds import Stream, derived_seed
from the_experiment.evaluation.statistics import Numbers, Rate, newcombe

RESAMPLES = 1_000  # of a bootstrap
FLIPS = 9_999  # of a sign-flip test
LEVEL = 0.05
ROUNDING = 1e-9  # of sums added up in another order


@dataclass(frozen=True)
class Drop:
    """A mean drop with its 95% interval, and how likely one so far from 0 is by chance."""

    drop: float
    low: float
    high: float
    p: float  # two-sided
    n: int  # questions
    corrected: float = 1.0  # p, corrected for all the drops that stand beside it

    @property
    def beyond_chance(self) -> bool:
        """Whether it is further from 0 than chance explains, among all that are beside it."""
        return self.corrected < LEVEL

    def as_json(self) -> dict[str, float | None]:
        """The drop as plain values of six digits; None for the interval of a single question."""
        rounded = {name: float(f"{value:.6g}") for name, value in asdict(self).items()}
        return {name: None if math.isnan(value) else value for name, value in rounded.items()}


def drop_in_share(before: Sequence[bool], after: Sequence[bool]) -> Drop:
    """The drop in the share that is right, over the same questions.

    Interval: Wilson's of both shares, squared and added with their correlation (Newcombe 1998),
    which has a width even where no answer changes. Test: the exact one of McNemar 1947.

    >>> drop = drop_in_share([True] * 10, [False] * 6 + [True] * 4)
    >>> drop.drop, round(drop.low, 2), round(drop.high, 2), drop.p
    (0.6, 0.2, 0.83, 0.03125)
    """
    lost = sum(one and not other for one, other in zip(before, after, strict=True))
    gained = sum(other and not one for one, other in zip(before, after, strict=True))
    one, other = (Rate(sum(side), len(side)) for side in (before, after))
    correlation = _correlation(np.array(before, dtype=float), np.array(after, dtype=float))
    low, high = newcombe(one, other, correlation)
    p = mcnemar(lost, gained)
    return Drop((lost - gained) / len(before), low, high, p, len(before))


@lru_cache(maxsize=4096)
def mcnemar(wins: int, losses: int) -> float:
    """Two-sided p of so many pairs in which one side alone is right; exact (McNemar 1947).

    >>> mcnemar(4, 0), mcnemar(6, 0), mcnemar(0, 0)
    (0.125, 0.03125, 1.0)
    """
    from scipy.stats import binomtest

    pairs = wins + losses
    return float(binomtest(wins, pairs).pvalue) if pairs else 1.0


def _correlation(one: Numbers, other: Numbers) -> float:
    """0 where one of them is always the same."""
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean()) / spread if spread else 0.0


def mean_drop(before: Sequence[float], after: Sequence[float], seed: int) -> Drop:
    """The mean drop over the same questions.

    Interval: percentile bootstrap over questions (Efron 1979); of one question there is none.
    Test: by turning signs (Fisher 1935), exact for few questions.

    >>> drop = mean_drop([0.0] * 8, [-1.0, -2.0] * 4, seed=0)
    >>> drop.drop, drop.p
    (1.5, 0.0078125)
    """
    from scipy.stats import bootstrap

    drops = np.subtract(before, after)
    mean, n = float(drops.mean()), len(drops)
    if n < 2 or not drops.any():
        end = math.nan if n < 2 else mean
        return Drop(mean, end, end, 1.0, n)
    interval = bootstrap(
        (drops,),
        np.mean,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=derived_seed(seed, "bootstrap"),
    ).confidence_interval
    p = sign_flip(drops, seed)
    return Drop(mean, float(interval.low), float(interval.high), p, n)


def sign_flip(differences: Numbers, seed: int) -> float:
    """Two-sided p of the mean of paired differences, by turning their signs (Fisher 1935).

    Exact for up to 13 pairs; else over drawn signs. The signs are kept, as hundreds of heads are
    tested on the same questions.

    >>> sign_flip(np.ones(5), seed=0), sign_flip(np.zeros(2), seed=0), sign_flip(np.ones(0), seed=0)
    (0.0625, 1.0, 1.0)
    """
    if not differences.any():
        return 1.0
    sums = np.abs(_signs(len(differences), seed) @ differences)
    as_far = int((sums >= abs(differences.sum()) * (1 - ROUNDING)).sum())
    drawn = len(sums) == FLIPS  # the data themselves are one way more to turn the signs
    return (as_far + drawn) / (len(sums) + drawn)


@lru_cache(maxsize=8)
def _signs(n: int, seed: int) -> Numbers:
    """(ways, n) of 1 and -1: every way where they are few, or so many that are drawn."""
    if 2**n <= FLIPS:
        return np.array(list(product((-1.0, 1.0), repeat=n)))
    drawn = Stream(seed, "signs").below(2, FLIPS * n).reshape(FLIPS, n)
    return np.where(drawn == 0, -1.0, 1.0)


def corrected(drops: Sequence[Drop]) -> list[Drop]:
    """The same with each p corrected for all of them (Holm 1979).

    >>> drops = [Drop(1, 0, 2, p, 9) for p in (0.01, 0.04, 0.03)]
    >>> [round(one.corrected, 2) for one in corrected(drops)]
    [0.03, 0.06, 0.06]
    """
    found = holm([drop.p for drop in drops])
    return [replace(drop, corrected=p) for drop, p in zip(drops, found, strict=True)]


def holm(ps: Sequence[float]) -> list[float]:
    """Each p corrected for all that stand beside it (Holm 1979), in the same order.

    >>> holm([0.01, 0.02]), holm([])
    ([0.02, 0.02], [])
    """
    order = sorted(range(len(ps)), key=lambda number: ps[number])
    found = [0.0] * len(ps)
    reached = 0.0
    for place, number in enumerate(order):
        reached = max(reached, min(1.0, (len(ps) - place) * ps[number]))
        found[number] = reached
    return found
