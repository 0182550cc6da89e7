"""What was found inside a model, on disk: a card beside the report."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from the_experiment.base.files import write_json
from the_experiment.engine.outcome import Outcome
from the_experiment.inside.card import CARD, Card
from the_experiment.report.outcome import write_outcome

INSIDE = "inside"  # the folder beside the runs


def write_card(card: Card, outcome: Outcome, out: Path) -> Path:
    """Write `card.json` and the report; return their folder.

    The folder is named by what was asked, so that the same request lands in the same place.
    """
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
