"""`the-experiment test`: one sequence, answered by the rules and by every trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment test '1,0,1,0,1'", "the-experiment test '0,0,1,1,1' --json"
)


def test(
    sequence: Annotated[
        str, typer.Argument(metavar="SEQ", help="The sequence to answer, such as '1,0,1,0,1'.")
    ],
    world: options.OnlyWorld = "",
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Answer a sequence by the rules, then by each trained model, part by part."""
    from the_experiment.evaluation.answers import answer
    from the_experiment.evaluation.trained import trained_models
    from the_experiment.report.answers import answers_table
    from the_experiment.report.terminal import print_json, stdout

    answers = answer(sequence, trained_models(out, world or None))
    if as_json:
        print_json(answers.as_json())
    else:
        stdout.print(answers_table(answers))
