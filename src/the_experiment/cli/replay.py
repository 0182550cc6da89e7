"""`the-experiment replay`: run a card, or an experiment, again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

if TYPE_CHECKING:
    from the_experiment.engine.outcome import Outcome

NO_MODELS: list[str] = []  # other than the card's

app = Verbs()


@app.command(
    rich_help_panel=options.INSIDE,
    epilog=options.examples(
        "the-experiment replay out/inside/FOLDER/card.json",
        "the-experiment replay card.json --model out/tiny-gpt2-causal",
        "the-experiment replay out/experiments/mine",
    ),
)
def replay(
    card: Annotated[
        Path,
        typer.Argument(
            metavar="CARD|FOLDER",
            help="The card.json of an earlier run, or the folder of an experiment.",
        ),
    ],
    model: Annotated[
        list[str],
        options.Option(
            "--model", "-m", help="The model of a card, if it has moved since.", metavar="MODEL"
        ),
    ] = NO_MODELS,
    out: options.Out = Path(defaults.OUT),
) -> None:
    """Run a card or an experiment again and report whether the figures are the same."""
    from the_experiment.base.errors import UsageError
    from the_experiment.engine.outcome import refuse_other_figures
    from the_experiment.experiments.replaying import is_experiment
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import stdout

    if model and is_experiment(card):
        raise UsageError("an experiment names its models itself", "leave --model out")
    found, different = _experiment(card) if is_experiment(card) else _card(card, model, out)
    stdout.print(outcome_view(found))
    refuse_other_figures(different)
    stdout.print(f"the same figures as in {card}", markup=False)


def _experiment(folder: Path) -> tuple[Outcome, list[str]]:
    from the_experiment.experiments.replaying import replay_experiment
    from the_experiment.report.terminal import counting

    return replay_experiment(folder, counting)


def _card(card: Path, model: list[str], out: Path) -> tuple[Outcome, list[str]]:
    from the_experiment.inside.card import read_card, replay_card
    from the_experiment.inside.subject import find_subject

    read = read_card(card)
    folders = model or [looked.folder for looked in read.models]
    return replay_card(read, [find_subject(one, out) for one in folders])
