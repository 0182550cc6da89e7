"""What was found inside a model, on disk: a card, its figures, a picture and a page."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from rich.console import Group
from rich.markup import escape

from the_experiment.base.files import write_json, write_text
from the_experiment.inside.card import CARD, Card, Finding
from the_experiment.report.heatmaps import heat_map_view, hover_map, write_picture
from the_experiment.report.html import write_page

WIDEST, HIGHEST, MOST_MAPS = 40, 60, 8  # columns and rows of a map, and maps, in a terminal
INSIDE = "inside"  # the folder beside the runs


def write_finding(card: Card, finding: Finding, out: Path) -> Path:
    """Write `card.json`, `maps.png` and `maps.html`; return their folder.

    The folder is named by what was asked, so that the same request lands in the same place.
    """
    folder = out / INSIDE / _name(card)
    write_json(folder / CARD, card.model_dump(mode="json"))
    if finding.maps:
        write_picture(finding.maps, folder / "maps.png")
        _write_maps_page(card, finding, folder / "maps.html")
    return folder


def _write_maps_page(card: Card, finding: Finding, path: Path) -> None:
    """The sentences, and one map under the other."""
    asked = {name: value for name, value in card.request.items() if value is not None}
    write_page(
        path,
        "inside.html",
        title=f"{card.verb}: {card.names}",
        script=plotly_beside(path.parent),
        asked=", ".join(f"{name} {value}" for name, value in asked.items()),
        sentences=finding.sentences,
        plots=[hover_map(one) for one in finding.maps],
    )


def plotly_beside(folder: Path) -> str:
    """Where pages in `folder` find plotly: once for all in the folder above, without a network."""
    from plotly.offline import get_plotlyjs

    script = folder.parent / "plotly.min.js"
    if not script.is_file():
        write_text(script, get_plotlyjs())
    return f"../{script.name}"


def finding_view(finding: Finding) -> Group:
    """The maps that a terminal can hold, then what they say."""
    fitting = [one for one in finding.maps if len(one.columns) <= WIDEST]
    shown = [one for one in fitting if len(one.rows) <= HIGHEST][:MOST_MAPS]
    left = len(finding.maps) - len(shown)
    what = f"{left} more maps" if shown else f"all {left} maps"
    notes = [f"[dim]{what} are in maps.png and maps.html[/]"] if left else []
    return Group(*map(heat_map_view, shown), *notes, *map(escape, finding.sentences))


def _name(card: Card) -> str:
    asked = "-".join(str(value) for value in card.request.values() if isinstance(value, str))
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{card.verb}-{card.names}-{asked}")
    made_of = repr((card.verb, card.models, sorted(card.request.items())))
    return f"{slug.strip('-')[:80]}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"
