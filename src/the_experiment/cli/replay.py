"""`the-experiment replay`: run an experiment card again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options

NO_MODELS: list[str] = []  # other than the card's

EXAMPLES = options.examples(
    "the-experiment replay out/inside/FOLDER/card.json",
    "the-experiment replay card.json --model out/tiny-gpt2-causal",
)


def replay(
    card: Annotated[Path, typer.Argument(metavar="CARD", help="The card.json of an earlier run.")],
    model: Annotated[
        list[str],
        options.Option("--model", "-m", help="The model, if it has moved since.", metavar="MODEL"),
    ] = NO_MODELS,
    out: options.Out = Path(defaults.OUT),
) -> None:
    """Run a card again and report whether the figures are the same."""
    from the_experiment.inside.card import read_card, refuse_other_figures, replay
    from the_experiment.inside.subject import find_subject
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import stdout

    read = read_card(card)
    folders = model or [looked.folder for looked in read.models]
    finding, different = replay(read, [find_subject(one, out) for one in folders])
    stdout.print(outcome_view(finding))
    refuse_other_figures(different)
    stdout.print(f"the same figures as in {card}")
