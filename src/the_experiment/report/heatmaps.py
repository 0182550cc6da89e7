"""Heat maps for the terminal, as pictures, and as pages with hover."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from the_experiment.base.files import replaced_file, write_text
from the_experiment.evaluation.statistics import short
from the_experiment.inside.maps import HeatMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES = "viridis"  # of maps that begin at 0
TWO_SIDED = "RdBu_r"  # of maps on both sides of 0
WIDE = 8  # characters of a column's name in the terminal


def heat_map_view(heat_map: HeatMap) -> RenderableType:
    """A table whose cells are coloured by their value, for the terminal."""
    from matplotlib import colormaps

    table = Table(box=None, pad_edge=False, padding=(0, 0), title_justify="left")
    table.add_column(Text(heat_map.unit, style="dim"))
    for name in heat_map.columns:
        table.add_column(Text(name[:WIDE]), justify="center")
    low, high = _limits(heat_map)
    colours = colormaps[TWO_SIDED if heat_map.signed else SHADES]
    for number, (name, values) in enumerate(zip(heat_map.rows, heat_map.values, strict=True)):
        cells = []
        for place, value in enumerate(values):
            red, green, blue = (
                int(255 * part) for part in colours((value - low) / (high - low))[:3]
            )
            ink = "black" if red * 0.3 + green * 0.6 + blue * 0.1 > 128 else "white"
            said = heat_map.words[number][place] if heat_map.words else short(float(value))
            cells.append(Text(f" {said} ", style=f"{ink} on rgb({red},{green},{blue})"))
        table.add_row(Text(name), *cells)
    return Group(Text(heat_map.title, style="bold"), table)


def write_picture(maps: Sequence[HeatMap], path: Path) -> None:
    """A PNG with one panel for each map."""
    with replaced_file(path) as beside:
        _figure(maps).savefig(beside, format="png", dpi=110)


def write_hover_page(maps: Sequence[HeatMap], path: Path, title: str) -> None:
    """An HTML page with one map under the other, each value shown under the pointer.

    The plotting library lies beside the page as `plotly.min.js`, so that it needs no network.
    """
    from plotly.offline import get_plotlyjs

    script = path.parent / "plotly.min.js"
    if not script.is_file():
        write_text(script, get_plotlyjs())
    write_text(
        path,
        f"<!doctype html><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<script src='{script.name}'></script>{''.join(map(_hover_map, maps))}",
    )


def _hover_map(heat_map: HeatMap) -> str:
    """One map as a piece of a page."""
    import plotly.graph_objects as go

    low, high = _limits(heat_map)
    value = "hovertext" if heat_map.n else "z:.4g"
    figure = go.Figure(
        go.Heatmap(
            z=heat_map.values,
            x=_numbered(heat_map.columns),
            y=_numbered(heat_map.rows),
            text=heat_map.words or None,
            texttemplate="%{text}" if heat_map.words else None,
            zmin=low,
            zmax=high,
            colorscale="RdBu_r" if heat_map.signed else "Viridis",
            colorbar={"title": {"text": heat_map.unit, "side": "right"}},
            hovertext=_told(heat_map) if heat_map.n else None,
            hovertemplate=f"%{{y}} → %{{x}}<br>%{{{value}}}<extra></extra>",
        )
    )
    figure.update_layout(
        title=heat_map.title,
        height=max(260, 22 * len(heat_map.rows) + 160),
        yaxis={"autorange": "reversed"},
        template="plotly_white",
    )
    return str(figure.to_html(full_html=False, include_plotlyjs=False))


def _told(heat_map: HeatMap) -> list[list[str]]:
    """What is said of each value under the pointer: `0.42 [0.31–0.55], n=25`."""
    told = [[f"{value:.4g}" for value in row] for row in heat_map.values]
    if heat_map.low is not None and heat_map.high is not None:
        ends = np.dstack([heat_map.low, heat_map.high])  # (rows, columns, 2)
        told = [
            [f"{said} [{low:.3g}–{high:.3g}]" for said, (low, high) in zip(*row, strict=True)]
            for row in zip(told, ends, strict=True)
        ]
    return [[f"{said}, n={heat_map.n}" for said in row] for row in told]


def _numbered(names: Sequence[str]) -> list[str]:
    """The names, with their places before them where two are the same: plotly would join them."""
    if len(set(names)) == len(names):
        return list(names)
    return [f"{place}: {name}" for place, name in enumerate(names)]


def _figure(maps: Sequence[HeatMap]) -> Figure:
    from matplotlib.figure import Figure

    columns = 1 if len(maps) == 1 else min(4, len(maps))
    rows = -(-len(maps) // columns)
    wide = max(len(one.columns) for one in maps)
    high = max(len(one.rows) for one in maps)
    beside = max(len(name) for one in maps for name in one.rows)  # characters
    below = max(len(name) for one in maps for name in one.columns)
    panel = (2.2 + 0.07 * beside + min(0.24 * wide, 9), 1.4 + 0.07 * below + min(0.2 * high, 9))
    figure = Figure(figsize=(panel[0] * columns, panel[1] * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes, heat_map in zip(grid, maps, strict=False):
        _draw(axes, heat_map)
    for axes in grid[len(maps) :]:
        axes.set_visible(False)
    return figure


def _draw(axes: Axes, heat_map: HeatMap) -> None:
    low, high = _limits(heat_map)
    image = axes.imshow(
        heat_map.values,
        cmap=TWO_SIDED if heat_map.signed else SHADES,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
    )
    for axis, names in (("x", heat_map.columns), ("y", heat_map.rows)):
        if len(names) <= 64:
            setter = axes.set_xticks if axis == "x" else axes.set_yticks
            setter(range(len(names)), [name.replace("$", r"\$") for name in names], fontsize=7)
    axes.tick_params(axis="x", rotation=90)
    for number, row in enumerate(heat_map.words):
        for place, word in enumerate(row):
            axes.text(place, number, word, ha="center", va="center", fontsize=7, color="white")
    axes.set_title(heat_map.title.replace("$", r"\$"), fontsize=9, loc="left")
    axes.figure.colorbar(image, ax=axes, label=heat_map.unit)


def _limits(heat_map: HeatMap) -> tuple[float, float]:
    """The ends of the scale: around 0 where there are values on both sides of it."""
    if heat_map.span is not None:
        return heat_map.span
    high = float(abs(heat_map.values).max()) or 1.0
    return (-high if heat_map.signed else 0.0), high
