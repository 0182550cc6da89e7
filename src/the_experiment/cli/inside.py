"""What the verbs that look inside have in common: ask, print, and keep what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from the_experiment.inside.card import VerbRequest


def look(request: VerbRequest, models: Sequence[str], out: Path, as_json: bool) -> None:
    """Run a request, print what came out, and write its card, picture and page."""
    from the_experiment.base.logs import stderr
    from the_experiment.inside.card import card_of
    from the_experiment.inside.subject import find_subjects
    from the_experiment.report.cards import write_card
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import print_json, stdout

    subjects = find_subjects(models, out)
    outcome = request.run_on(subjects)
    card = card_of(request, subjects, outcome)
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        stdout.print(outcome_view(outcome))
    place = write_card(card, outcome, out)
    stderr.print(f"kept in {place}/", soft_wrap=True, markup=False)
