"""Plots for reports, as matplotlib figures without a display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from the_experiment.base.files import replaced_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL_COLOUR, BASELINE_COLOUR, INK = "#3b62d6", "#c3c6d1", "#1c1c22"
BASELINE_INK, BASELINE_MARKERS = "#8a8d99", "sv^Dx"
COLUMNS = 3


@dataclass(frozen=True)
class Bar:
    """A share from 0 to 1 with its 95% interval, and the single seeds behind it."""

    name: str
    share: float
    low: float
    high: float
    seeds: tuple[float, ...] = ()
    is_model: bool = True


def bars_figure(panels: Mapping[str, Sequence[Bar]]) -> Figure:
    """A panel of horizontal bars for each title, the first bar at the top."""
    from matplotlib.figure import Figure

    panels = {title: bars for title, bars in panels.items() if bars}
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    most = max(len(bars) for bars in panels.values())
    size = (4.1 * columns + 1.4, rows * (0.27 * most + 0.75))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten().tolist()
    for axes, (title, bars) in zip(grid, panels.items(), strict=False):
        _draw(axes, title, bars)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure


@dataclass(frozen=True)
class Curve:
    """Shares from 0 to 1 along an axis, each with its 95% interval."""

    name: str
    at: Sequence[float]
    shares: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    is_model: bool = True


def curves_figure(curves: Sequence[Curve], along: str, share_of: str) -> Figure:
    """A line for each: models in colour with their intervals, baselines grey without."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    axes = figure.subplots()
    baselines = [curve for curve in curves if not curve.is_model]
    for place, curve in enumerate(baselines):
        marker = BASELINE_MARKERS[place % len(BASELINE_MARKERS)]
        axes.plot(
            curve.at,
            curve.shares,
            f"--{marker}",
            color=BASELINE_INK,
            linewidth=1,
            markersize=4,
            label=curve.name,
        )
    for place, curve in enumerate(curve for curve in curves if curve.is_model):
        colour = f"C{place % 10}"
        axes.plot(curve.at, curve.shares, "-o", color=colour, label=curve.name, zorder=3)
        axes.fill_between(curve.at, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(along)
    axes.set_ylabel(share_of)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _draw(axes: Axes, title: str, bars: Sequence[Bar]) -> None:
    for row, bar in enumerate(bars):
        axes.barh(
            row, bar.share, color=MODEL_COLOUR if bar.is_model else BASELINE_COLOUR, height=0.64
        )
        axes.hlines(row, bar.low, bar.high, color=INK, linewidth=1.3)
        axes.scatter(
            bar.seeds, [row] * len(bar.seeds), s=16, color="white", edgecolor=INK, zorder=3
        )
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars], fontsize=8)
    axes.set_xlim(-0.02, 1.02)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def write_figure(figure: Figure, path: Path) -> None:
    """A PNG of the figure, whole or not at all."""
    with replaced_file(path) as beside:
        figure.savefig(beside, format="png", dpi=110)


def svg(figure: Figure) -> str:
    """The figure as an SVG element, the same bytes for the same figure."""
    import matplotlib

    buffer = io.StringIO()
    # Ids from a fixed salt and no date, so that a report can be compared with another.
    with matplotlib.rc_context({"svg.hashsalt": "the-experiment", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
