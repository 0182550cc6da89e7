"""Heat maps with intervals: counts, means, what matters to each part, models side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from the_experiment.base.seeds import Integers, derived_seed
from the_experiment.engine.outcome import SHARES, HeatMap, Values
from the_experiment.evaluation.statistics import Rate, mean_interval, short, wilson
from the_experiment.inside.attributions import METHODS, AttributionQuery, Attributions
from the_experiment.inside.hooked_model import untrained
from the_experiment.inside.scores import (
    elsewhere,
    faithfulness_score,
    field_names,
    gradable,
    on_ancestors,
)
from the_experiment.inside.subject import Subject
from the_experiment.inside.swaps import Swap
from the_experiment.inside.texts import TokenizedExample


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

    0 is the middle of their scale, and one sample has no interval.
    """
    n = len(samples)
    low = high = None
    if n > 1:
        low, high = mean_interval(samples, seed)
    means = samples.mean(0)
    most = float(np.abs(means).max()) or 1.0
    return HeatMap(title, unit, rows, columns, means, span=(-most, most), n=n, low=low, high=high)


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


TOLD = {
    "swaps": "effect of swapping a value",
    "patches": "effect of patching a value in each layer",
    "gradients": "integrated-gradient attribution",
    "attention": "attention",
}

UNTRAINED = 3  # models that a trained one is held against

Scores = dict[str, dict[str, Any]]  # by part


def query_for(
    subject: Subject, texts: Sequence[TokenizedExample], swaps: Sequence[Swap] = ()
) -> AttributionQuery:
    """What matters to each part of these texts?"""
    names, parts = field_names(subject.world), tuple(subject.world.parts)
    return AttributionQuery(texts, swaps, subject.references, names, parts)


def graded_map(
    subject: Subject, asked: AttributionQuery, method: str, which: str, seed: int
) -> tuple[HeatMap, Scores]:
    """The map of one method, and the scores of the parts that can be graded.

    A score is {share, low, high, n, elsewhere, untrained}, there being none where there is no mass;
    `untrained` is the same of three models before training, each of which looks somewhere.
    """
    measured = METHODS[method]
    attributions = measured(subject.hooked, asked)
    seeds = [derived_seed(seed, subject.name, number) for number in range(UNTRAINED)]
    raw = [measured(untrained(subject.hooked, one), asked) for one in seeds]
    title = f"{subject.name}, {which}: inputs and outputs that each part's {TOLD[method]} is on"
    found = {}
    for part in gradable(subject.world):
        scored = faithfulness_score(subject.world, part, asked.names, attributions[part], seed)
        shares = [on_ancestors(subject.world, part, asked.names, each[part]) for each in raw]
        if scored:
            rest = elsewhere(subject.world, part, asked.names, attributions[part])
            found[part] = scored.as_json() | {"elsewhere": rest, "untrained": _spread(shares)}
    return _map(title, asked, attributions), found


def _spread(shares: Sequence[float]) -> dict[str, float | int]:
    """The mean over models, between the smallest and the largest."""
    ends = {"share": float(np.mean(shares)), "low": min(shares), "high": max(shares)}
    return {name: round(value, 6) for name, value in ends.items()} | {"n": len(shares)}


def _map(title: str, asked: AttributionQuery, attributions: Attributions) -> HeatMap:
    sums = np.array([attributions[part].sum(0) for part in asked.parts])
    shares = sums / np.maximum(sums.sum(1, keepdims=True), 1e-12)
    return HeatMap(
        title, "share", asked.parts, asked.names, shares, span=SHARES, n=len(asked.texts)
    )


def interval_told(of: Mapping[str, Any]) -> str:
    """A score with its interval: `.94 [.92–.96]`."""
    return f"{short(of['share'])} [{short(of['low'])}–{short(of['high'])}]"


def score_told(part: str, method: str, of: Mapping[str, Any]) -> str:
    """A part's score in a sentence."""
    return (
        f"{part}: {interval_told(of)} of the {TOLD[method]} is on its causal ancestors "
        f"(n {of['n']}), untrained {short(of['untrained']['share'])}"
    )
