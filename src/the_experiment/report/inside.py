"""What was found inside a model, on disk: a card, its figures, a picture and a page."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from rich.console import Group
from rich.markup import escape

from the_experiment.base.files import write_json
from the_experiment.inside.card import Card, Finding
from the_experiment.report.heatmaps import heat_map_view, write_hover_page, write_picture

WIDEST, HIGHEST, MOST_MAPS = 40, 60, 8  # columns and rows of a map, and maps, in a terminal
INSIDE = "inside"  # the folder beside the runs


def write_finding(card: Card, finding: Finding, out: Path) -> Path:
    """Write `card.json`, `maps.png` and `maps.html`; return their folder.

    The folder is named by what was asked, so that the same request lands in the same place.
    """
    folder = out / INSIDE / _name(card)
    write_json(folder / "card.json", card.model_dump(mode="json"))
    if finding.maps:
        write_picture(finding.maps, folder / "maps.png")
        write_hover_page(finding.maps, folder / "maps.html", f"{card.verb}: {card.names}")
    return folder


def finding_view(finding: Finding) -> Group:
    """The maps that a terminal can hold, then what they say."""
    shown = [one for one in finding.maps if len(one.columns) <= WIDEST and len(one.rows) <= HIGHEST]
    shown = shown[:MOST_MAPS]
    left = len(finding.maps) - len(shown)
    notes = [f"[dim]{left} more maps are in the picture and the page[/]"] if left else []
    return Group(*map(heat_map_view, shown), *notes, *map(escape, finding.sentences))


def _name(card: Card) -> str:
    asked = "-".join(str(value) for value in card.request.values() if isinstance(value, str))
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{card.verb}-{card.names}-{asked}")
    made_of = repr((card.verb, card.models, sorted(card.request.items())))
    return f"{slug.strip('-')[:80]}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"
