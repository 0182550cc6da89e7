"""Shares, means and drops with their intervals, and tests. No number is shown without its n."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Stream, derived_seed

Numbers = npt.NDArray[np.float64]

RESAMPLES = 1_000  # of a bootstrap
CENTRAL = (0.025, 0.975)  # the ends of 95%
FLIPS = 9_999  # of a sign-flip test
LEVEL = 0.05
ROUNDING = 1e-9  # of sums added up in another order


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


def join_names(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> join_names(["a", "b", "c"]), join_names(["a"])
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
        n_resamples=RESAMPLES,
        method="percentile",
        rng=derived_seed(seed, "bootstrap"),
    ).confidence_interval
    return float(found.low), float(found.high)


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


def mean_interval(samples: Numbers, seed: int) -> tuple[Numbers, Numbers]:
    """The 95% interval of each mean over the first axis, by a percentile bootstrap (Efron 1979).

    `samples` is (n, …); both ends are (…).
    """
    n = len(samples)
    drawn = Stream(seed, "bootstrap").below(n, RESAMPLES * n).reshape(RESAMPLES, n)
    times = np.array([np.bincount(row, minlength=n) for row in drawn])  # each sample is drawn
    means = times @ samples.reshape(n, -1) / n  # (resamples, …)
    low, high = np.quantile(means, CENTRAL, axis=0).reshape(2, *samples.shape[1:])
    return low, high


def cluster_interval(values: Numbers, seed: int) -> tuple[float, float]:
    """The 95% interval of the mean of `values` (clusters, members), which may be infinite.

    A bootstrap in two stages: clusters are drawn again, and within each its members (Davison and
    Hinkley 1997, 3.8).
    """
    clusters, members = values.shape
    stream = Stream(seed, "bootstrap")
    chosen = stream.below(clusters, 2 * RESAMPLES * clusters).reshape(-1, clusters, 1)
    within = stream.below(members, 2 * RESAMPLES * values.size).reshape(-1, clusters, members)
    means = values[chosen, within].mean((1, 2))
    low, high = np.quantile(means, CENTRAL, method="inverted_cdf")  # no sums of infinities
    return float(low), float(high)


def kappa_interval(table: tuple[int, int, int, int], seed: int) -> tuple[float, float, float]:
    """Cohen's kappa of a table, and its 95% interval by a bootstrap over what was counted.

    The table counts (neither, other, one, both): who said yes.

    >>> kappa_interval((7, 0, 0, 0), 0)
    (nan, nan, nan)
    """
    kappa = _kappa(np.array(table))
    if np.isnan(kappa):
        return kappa, kappa, kappa
    rng = np.random.default_rng(derived_seed(seed, "kappa"))
    drawn = rng.multinomial(sum(table), np.array(table) / sum(table), RESAMPLES)
    kappas = np.array([_kappa(one) for one in drawn])
    low, high = np.nanpercentile(kappas, [2.5, 97.5])  # a draw of one cell only has no kappa
    return kappa, float(low), float(high)


def _kappa(table: Numbers) -> float:
    from sklearn.metrics import cohen_kappa_score

    if max(table[0], table[3]) == table.sum():
        return float("nan")
    exact, judge = [0, 0, 1, 1], [0, 1, 0, 1]
    return float(cohen_kappa_score(exact, judge, sample_weight=table))
