"""Heat maps of counts and of means, with intervals."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers, Stream
from the_experiment.engine.outcome import SHARES, HeatMap, Values
from the_experiment.evaluation.statistics import wilson

RESAMPLES = 1000  # of a bootstrap
CENTRAL = (0.025, 0.975)  # the ends of 95%


def share_map(
    title: str,
    unit: str,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    counts: Integers,
    n: int,
) -> HeatMap:
    """Shares from `counts` (rows, columns) out of n each, with Wilson 95% intervals."""
    low, high = np.vectorize(wilson, otypes=[float, float])(counts, n)
    return HeatMap(title, unit, rows, columns, counts / n, span=SHARES, n=n, low=low, high=high)


def mean_map(
    title: str,
    unit: str,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    samples: Values,
    seed: int,
) -> HeatMap:
    """Means of `samples` (n, rows, columns) with 95% intervals of a percentile bootstrap.

    0 is the middle of their scale, and one sample has no interval. Efron and Tibshirani, "An
    Introduction to the Bootstrap", 1993.
    """
    n = len(samples)
    low = high = None
    if n > 1:
        drawn = Stream(seed, "bootstrap").below(n, RESAMPLES * n).reshape(RESAMPLES, n)
        times = np.array([np.bincount(row, minlength=n) for row in drawn])  # each sample is drawn
        resampled = times @ samples.reshape(n, -1) / n  # (resamples, rows × columns)
        low, high = np.quantile(resampled, CENTRAL, axis=0).reshape(2, *samples.shape[1:])
    means = samples.mean(0)
    most = float(np.abs(means).max()) or 1.0
    return HeatMap(title, unit, rows, columns, means, span=(-most, most), n=n, low=low, high=high)
