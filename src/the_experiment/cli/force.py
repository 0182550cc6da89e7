"""`the-experiment force`: write a wrong part into a completion and let the model go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment force newB=0 1,0,1,0,1",
    "the-experiment force --all --model tiny-rnn-causal",
)


def force(
    forced: Annotated[
        str,
        typer.Argument(
            metavar="[PART=VALUE]", help="The part to force and its value, such as newB=0."
        ),
    ] = "",
    sequence: Annotated[
        str, typer.Argument(metavar="[SEQ]", help="The sequence in which to force it.")
    ] = "",
    every: Annotated[
        bool, options.Option("--all", help="Force every part in every seen and held-out state.")
    ] = False,
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Force a wrong part: do later parts follow it, or the input?"""
    from the_experiment.base.errors import UsageError
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.force import Force

    if every and forced:
        raise UsageError("--all is every part in every state", f"leave {forced!r} or --all out")
    part, value = (None, None) if every else options.assignment(forced)
    request = Force.checked(part=part, value=value, sequence=sequence or None, seed=seed)
    look(request, model, out, as_json)
