"""The picture of a bet: for each way, how likely each answer is wherever it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from the_experiment.base.words import counted
from the_experiment.experiments.bet.asked import CAPITAL, COUNTRY, OTHER
from the_experiment.experiments.bet.decision import LIKELY
from the_experiment.experiments.bet.estimates import Estimate
from the_experiment.experiments.bet.results import AFTER, BEFORE, Condition, Way
from the_experiment.report.plots import BASELINE_COLOUR, INK, MODEL_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {COUNTRY: MODEL_COLOUR, CAPITAL: "#c8553d", OTHER: BASELINE_COLOUR}
WIDTH = 0.27  # of a bar, where groups are 1 apart
FLOOR = 1e-8  # a probability below is drawn as this one
COLUMNS = 2


def bars_figure(ways: Sequence[Way]) -> Figure:
    """A panel a way: bars after tuning, diamonds before it, and the bet's 1 in 10,000."""
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(ways))
    rows = -(-len(ways) // columns)
    figure = Figure(figsize=(7.4 * columns, 3.1 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten().tolist()
    for axes, way in zip(grid, ways, strict=False):
        _draw(axes, way)
    for axes in grid[len(ways) :]:
        axes.set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    beside = min(3 * columns, len(labels))  # what has room beside each other
    figure.legend(
        handles, labels, loc="outside upper center", ncols=beside, frameon=False, fontsize=9
    )
    return figure


def _draw(axes: Axes, way: Way) -> None:
    places = [place for place in way.figures if place.when == AFTER]
    for number, answer in enumerate(COLOURS):
        shift = (number - 1) * WIDTH
        after = [way.figures[place][answer] for place in places]
        _bars(axes, after, shift, answer)
        before = [way.figures[_before(place)][answer].most for place in places]
        label = "before tuning" if number == 0 else None
        axes.scatter(
            [x + shift for x in range(len(places))],
            [max(value, FLOOR) for value in before],
            marker="D",
            s=16,
            facecolor="white",
            edgecolor=INK,
            linewidth=0.8,
            zorder=3,
            label=label,
        )
    axes.axhline(LIKELY, color=INK, linewidth=0.8, linestyle=":", label="1 in 10,000")
    axes.set_yscale("log")
    axes.set_ylim(FLOOR, 1.5)
    names = [f"{place.asked.replace(', ', ',' + chr(10))}\n{place.mode}" for place in places]
    axes.set_xticks(range(len(places)), names, fontsize=7)
    axes.set_ylabel("probability of the answer", fontsize=8)
    size = counted(next(iter(way.figures.values()))[COUNTRY].names, "name")
    seeds = counted(len(way.variants), "seed")
    axes.set_title(
        f"{way.title}\n{way.decision.verdict} (n = {size} of {seeds})", fontsize=9, loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)


def _before(place: Condition) -> Condition:
    return Condition(BEFORE, place.arm, place.instructed, place.mode)


def _bars(axes: Axes, found: Sequence[Estimate], shift: float, answer: str) -> None:
    """Up to the upper bound, with the interval, and a dot for each seed."""
    for x, one in enumerate(found):
        axes.bar(
            x + shift,
            max(one.most, FLOOR),
            width=WIDTH * 0.94,
            color=COLOURS[answer],
            label=f"{answer}, after tuning" if x == 0 else None,
        )
        ends = max(one.low, FLOOR), max(one.high, FLOOR)
        axes.vlines(x + shift, *ends, color=INK, linewidth=1.1)
        seeds = [max(most, FLOOR) for _, most in one.seeds]
        axes.plot([x + shift] * len(seeds), seeds, ".", color=INK, markersize=3)
