"""Models side by side: figures of each as rows of one map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from the_experiment.inside.maps import HeatMap

BINS = 10  # of shares from 0 to 1, in a distribution over models

# From the figures of one cell, its value and what is written into it.
Cell = Callable[[Mapping[str, Any]], tuple[float, str]]


def side_by_side(
    title: str, rows: Mapping[str, Mapping[str, Any]], cell: Cell
) -> Iterator[HeatMap]:
    """A map of the columns that all rows have; none where there is none."""
    first = next(iter(rows.values()), {})
    columns = tuple(name for name in first if all(name in row for row in rows.values()))
    if columns:
        cells = [[cell(row[name]) for name in columns] for row in rows.values()]
        values = np.array([[value for value, _ in row] for row in cells])
        words = tuple(tuple(word for _, word in row) for row in cells)
        yield HeatMap(title, "share", tuple(rows), columns, values, words)


def follows_written(counts: Mapping[str, Any]) -> tuple[float, str]:
    """Of all cases, the share and number that follow what is written."""
    n = sum(counts[how] for how in ("written", "input", "neither"))
    return counts["written"] / n, f"{counts['written']}/{n}"


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
