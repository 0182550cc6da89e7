"""Any outcome, in the terminal and on disk: tables, charts, heat maps and what they say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from the_experiment.base.files import write_json, write_text
from the_experiment.engine.outcome import Outcome, Table
from the_experiment.report.heatmaps import heat_map_view, hover_map, write_picture
from the_experiment.report.html import write_page
from the_experiment.report.plots import svg, write_figure
from the_experiment.report.terminal import Blocks

if TYPE_CHECKING:
    from the_experiment.inside.card import Card

RESULTS, PAGE, MAPS = "results.json", "report.html", "maps"
WIDEST, HIGHEST, MOST_MAPS = 40, 60, 8  # columns and rows of a map, and maps, in a terminal


def outcome_view(outcome: Outcome) -> Group:
    """The tables, the maps that a terminal can hold, then what they say."""
    return Group(
        *(part for table in outcome.tables if table.in_terminal for part in _table_view(table)),
        *map(Text, outcome.details),
        *([""] if outcome.details else []),
        *_maps_view(outcome),
        *map(Text, outcome.sentences),
    )


def _table_view(table: Table) -> Iterator[RenderableType]:
    if table.title:
        yield Text(table.title, style="bold")
    blocks = Blocks([Text(cell) for cell in table.columns])
    for row in table.rows:
        style = "dim" if row[0] in table.baselines else "bold" if table.baselines else ""
        blocks.add_row([Text(cell) for cell in row], style=style)
    yield blocks
    if table.note:
        yield Text(table.note, style="dim")
    yield ""


def _maps_view(outcome: Outcome) -> Iterator[RenderableType]:
    fitting = [one for one in outcome.maps if len(one.columns) <= WIDEST]
    shown = [one for one in fitting if len(one.rows) <= HIGHEST][:MOST_MAPS]
    yield from map(heat_map_view, shown)
    left = len(outcome.maps) - len(shown)
    if left:
        what = f"{left} more maps" if shown else f"all {left} maps"
        yield Text(f"{what} are in {MAPS}.png and on the page", style="dim")


def write_outcome(outcome: Outcome, folder: Path) -> Path:
    """Write `results.json`, PNGs of charts and maps, and `report.html`; return the page."""
    for name, content in {RESULTS: outcome.figures, **outcome.files}.items():
        write_json(folder / name, content)
    figures = [(chart, chart.draw()) for chart in outcome.charts]
    for chart, figure in figures:
        write_figure(figure, folder / f"{chart.name}.png")
    for name, maps in {MAPS: outcome.maps, **outcome.pictures}.items():
        if maps:
            write_picture(maps, folder / f"{name}.png")
    write_page(
        folder / PAGE,
        "outcome.html",
        title=outcome.title,
        outcome=outcome,
        charts=[(chart, svg(figure)) for chart, figure in figures],
        script=plotly_beside(folder) if outcome.maps else "",
        maps=[hover_map(one) for one in outcome.maps],
    )
    return folder / PAGE


def plotly_beside(folder: Path) -> str:
    """Where pages in `folder` find plotly: once for all in the folder above, without a network."""
    from plotly.offline import get_plotlyjs

    script = folder.parent / "plotly.min.js"
    if not script.is_file():
        write_text(script, get_plotlyjs())
    return f"../{script.name}"


INSIDE = "inside"  # the folder beside the runs


def write_card(card: Card, outcome: Outcome, out: Path) -> Path:
    """Write `card.json` and the report; return their folder.

    The folder is named by what was asked, so that the same request lands in the same place.
    """
    from the_experiment.inside.card import CARD

    folder = out / INSIDE / _name(card)
    write_json(folder / CARD, card.model_dump(mode="json"))
    asked = [f"{name} {value}" for name, value in card.request.items() if value is not None]
    about = [f"Asked: {', '.join(asked)}. Run it again: the-experiment replay {folder}"]
    write_outcome(replace(outcome, title=f"{card.verb}: {card.names}", about=about), folder)
    return folder


def _name(card: Card) -> str:
    asked = "-".join(str(value) for value in card.request.values() if isinstance(value, str))
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{card.verb}-{card.names}-{asked}")
    made_of = repr((card.verb, card.models, sorted(card.request.items())))
    return f"{slug.strip('-')[:80]}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"
