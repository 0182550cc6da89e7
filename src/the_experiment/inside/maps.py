"""Heat maps as values: what was measured, by row and column, before anybody draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Integers, Stream
from the_experiment.evaluation.statistics import wilson

Values = npt.NDArray[np.float64]

SHARES = (0.0, 1.0)  # the scale of shares, probabilities, accuracies and attention
RESAMPLES = 1000  # of a bootstrap
ARRAYS = ("values", "low", "high")
CENTRAL = (0.025, 0.975)  # the ends of 95%


@dataclass(frozen=True)
class HeatMap:
    """A number for each row and column, and what it is."""

    title: str
    unit: str  # what the numbers are, such as "probability of the right token"
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Values  # (rows, columns)
    words: tuple[tuple[str, ...], ...] = ()  # shown in the cells, where there are any
    span: tuple[float, float] | None = None  # the ends of its scale, if they are fixed
    n: int | None = None  # how many states or pairs each value is over
    low: Values | None = None  # (rows, columns): the ends of each value's 95% interval
    high: Values | None = None

    @property
    def signed(self) -> bool:
        """Whether 0 is the middle of the scale rather than its end."""
        low, _ = self.span or (self.values.min(), 0.0)
        return bool(low < 0)

    def as_json(self) -> dict[str, Any]:
        """The map as plain values; what it doesn't have is left out."""
        optional = {
            "words": [list(row) for row in self.words] or None,
            "span": None if self.span is None else list(self.span),
            "n": self.n,
            "low": _rounded(self.low),
            "high": _rounded(self.high),
        }
        return {
            "title": self.title,
            "unit": self.unit,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "values": _rounded(self.values),
            **{name: value for name, value in optional.items() if value is not None},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> HeatMap:
        """The map of these plain values, as `as_json` gives them."""
        numbers = {name: np.array(value[name]) for name in ARRAYS if name in value}
        tuples = {name: tuple(value[name]) for name in ("rows", "columns", "span") if name in value}
        words = tuple(tuple(row) for row in value.get("words", ()))
        return cls(**{**value, **tuples, **numbers, "words": words})


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


def _rounded(values: Values | None) -> list[list[float]] | None:
    return None if values is None else [[round(float(one), 6) for one in row] for row in values]
