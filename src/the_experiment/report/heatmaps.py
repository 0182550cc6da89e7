"""Heat maps for the terminal, as pictures, and as pages with hover."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from the_experiment.base.files import replaced_file
from the_experiment.engine.outcome import HeatMap, Values
from the_experiment.evaluation.statistics import short
from the_experiment.report.terminal import Blocks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES = "viridis"  # of maps that begin at 0
HIGHEST = 3_000  # pixels of a map that is looked at under the pointer
TWO_SIDED = "RdBu_r"  # of maps on both sides of 0
LETTERS = 12  # of a title to the inch
WIDE = 16  # characters of a column's name in the terminal


def heat_map_view(heat_map: HeatMap) -> Group:
    """A table whose cells are coloured by their value, for the terminal."""
    colours = _colours(heat_map)
    said = heat_map.words or [[short(float(value)) for value in row] for row in heat_map.values]
    names = [name[:WIDE] for name in heat_map.columns]
    columns = zip(names, *said, strict=True)
    widths = [max(map(cell_len, column)) + 2 for column in columns]
    unit = Text(f"{heat_map.unit} ", style="not bold dim")
    header = [Text(name.center(width)) for name, width in zip(names, widths, strict=True)]
    table = Blocks([unit, *header], gap=0)
    for name, row, words in zip(heat_map.rows, colours, said, strict=True):
        cells = [
            Text(word.center(width), style=f"{_ink(colour)} on {_hex(colour)}")
            for colour, word, width in zip(row, words, widths, strict=True)
        ]
        table.add_row([Text(f"{name} "), *cells], style="")
    return Group(Text(heat_map.title, style="bold"), table)


def _colours(heat_map: HeatMap) -> Values:
    """(rows, columns, 4): red, green, blue and opacity of each cell, from 0 to 1."""
    from matplotlib import colormaps

    low, high = _limits(heat_map)
    scale = colormaps[TWO_SIDED if heat_map.signed else SHADES]
    colours: Values = scale((heat_map.values - low) / (high - low))
    return colours


def _ink(colour: Values) -> str:
    """Black on a bright colour, white on a dark one."""
    return "black" if colour[:3] @ (0.3, 0.6, 0.1) > 0.5 else "white"


def _hex(colour: Values) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])


def write_picture(maps: Sequence[HeatMap], path: Path) -> None:
    """A PNG with one panel for each map."""
    with replaced_file(path) as beside:
        _figure(maps).savefig(beside, format="png", dpi=110)


def hover_map(heat_map: HeatMap) -> str:
    """One map as a piece of a page that has plotly's script, each value shown under the pointer."""
    import plotly.graph_objects as go

    low, high = _limits(heat_map)
    told = heat_map.n is not None or heat_map.low is not None
    value = "hovertext" if told else "z:.4g"
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
            hovertext=_told(heat_map) if told else None,
            hovertemplate=f"%{{y}} → %{{x}}<br>%{{{value}}}<extra></extra>",
        )
    )
    figure.update_layout(
        title=heat_map.title,
        height=min(max(260, 22 * len(heat_map.rows) + 160), HIGHEST),
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
    if heat_map.n is not None:
        told = [[f"{said}, n={heat_map.n}" for said in row] for row in told]
    return told


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
        _draw(axes, heat_map, letters=int(LETTERS * panel[0]))
    for axes in grid[len(maps) :]:
        axes.set_visible(False)
    return figure


def _draw(axes: Axes, heat_map: HeatMap, letters: int) -> None:
    """`letters` is how many of a title's characters have room beside each other."""
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
    inks = np.apply_along_axis(_ink, 2, _colours(heat_map))
    for number, row in enumerate(heat_map.words):
        for place, word in enumerate(row):
            ink = inks[number, place]
            axes.text(place, number, word, ha="center", va="center", fontsize=7, color=ink)
    title = textwrap.fill(heat_map.title, letters).replace("$", r"\$")
    axes.set_title(title, fontsize=9, loc="left")
    axes.figure.colorbar(image, ax=axes, label=heat_map.unit)


def _limits(heat_map: HeatMap) -> tuple[float, float]:
    """The ends of the scale: around 0 where there are values on both sides of it."""
    if heat_map.span is not None:
        return heat_map.span
    high = float(abs(heat_map.values).max()) or 1.0
    return (-high if heat_map.signed else 0.0), high
