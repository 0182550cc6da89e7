"""What was found inside a model, on disk: a card, its figures, a picture and a page."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from the_experiment.base.files import write_json
from the_experiment.engine.outcome import Outcome
from the_experiment.inside.card import CARD, Card
from the_experiment.report.heatmaps import hover_map, write_picture
from the_experiment.report.html import write_page
from the_experiment.report.outcome import MAPS, plotly_beside

INSIDE = "inside"  # the folder beside the runs


def write_finding(card: Card, finding: Outcome, out: Path) -> Path:
    """Write `card.json`, `maps.png` and `maps.html`; return their folder.

    The folder is named by what was asked, so that the same request lands in the same place.
    """
    folder = out / INSIDE / _name(card)
    write_json(folder / CARD, card.model_dump(mode="json"))
    if finding.maps:
        write_picture(finding.maps, folder / MAPS)
        _write_maps_page(card, finding, folder / "maps.html")
    return folder


def _write_maps_page(card: Card, finding: Outcome, path: Path) -> None:
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


def _name(card: Card) -> str:
    asked = "-".join(str(value) for value in card.request.values() if isinstance(value, str))
    slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{card.verb}-{card.names}-{asked}")
    made_of = repr((card.verb, card.models, sorted(card.request.items())))
    return f"{slug.strip('-')[:80]}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"
