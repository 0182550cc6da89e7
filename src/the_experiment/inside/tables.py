"""Models side by side: figures of each as rows of one map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from the_experiment.engine.outcome import SHARES, HeatMap
from the_experiment.evaluation.statistics import Rate, short

BINS = 10  # of shares from 0 to 1, in a distribution over models


@dataclass(frozen=True)
class MapCell:
    """A share with its 95% interval, and what is written of it."""

    share: float
    word: str
    low: float
    high: float


def side_by_side(
    title: str, rows: Mapping[str, Mapping[str, Any]], cell: Callable[[Any], MapCell]
) -> Iterator[HeatMap]:
    """A map of the columns that all rows have; none where there is none."""
    first = next(iter(rows.values()), {})
    columns = tuple(name for name in first if all(name in row for row in rows.values()))
    if columns:
        cells = [[cell(row[name]) for name in columns] for row in rows.values()]
        yield HeatMap(
            title,
            "share",
            tuple(rows),
            columns,
            np.array([[one.share for one in row] for row in cells]),
            tuple(tuple(one.word for one in row) for row in cells),
            SHARES,
            low=np.array([[one.low for one in row] for row in cells]),
            high=np.array([[one.high for one in row] for row in cells]),
        )


def score_cell(of: Mapping[str, Any]) -> MapCell:
    """A score as `scores.Score` tells it."""
    return MapCell(of["share"], short(of["share"]), of["low"], of["high"])


def followed_cell(counts: Mapping[str, Any]) -> MapCell:
    """Of all states, those that follow what is written; the ends over distinct cases, if told."""
    states = Rate(counts["written"], sum(counts[how] for how in ("written", "input", "neither")))
    cases = counts.get("cases", states.as_json())
    return MapCell(states.share, f"{states.k}/{states.n}", cases["low"], cases["high"])


def median_cell(shares: Sequence[float]) -> MapCell:
    """The share in the middle, and the smallest and largest."""
    low, middle, high = min(shares), float(np.median(shares)), max(shares)
    return MapCell(middle, f"{short(middle)} ({short(low)}–{short(high)})", low, high)


def distribution(title: str, shares: Mapping[str, Sequence[float]]) -> HeatMap:
    """How many models of each kind (row) have a share in each tenth (column).

    >>> distribution("", {"gpt2": [0.0, 0.05, 1.0]}).values[0].tolist()
    [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    counts = np.zeros((len(shares), BINS))
    for row, each in enumerate(shares.values()):
        for share in each:
            counts[row, min(int(share * BINS), BINS - 1)] += 1
    ends = [f"{number / BINS:.1f}–{(number + 1) / BINS:.1f}" for number in range(BINS)]
    words = tuple(tuple(str(int(count)) for count in row) for row in counts)
    return HeatMap(title, "models", tuple(shares), tuple(ends), counts, words)
