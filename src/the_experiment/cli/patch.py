"""`the-experiment patch`: put one run's values into another, and see which answers turn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment patch 1,0,1,0,1 --to 0,0,1,0,1",
    "the-experiment patch --model tiny-cnn-causal",
)


def patch(
    sequence: Annotated[
        str,
        typer.Argument(
            metavar="[SEQ]",
            help="The base sequence. Default: all pairs of states that differ in one input.",
        ),
    ] = "",
    to: Annotated[
        str, options.Option(help="The source sequence. Default: the base with one input changed.")
    ] = "",
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Activation patching: which layer and position, and which head, carries the answer?"""
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.patch import PatchMaps

    request = PatchMaps.checked(sequence=sequence or None, to=to or None, seed=seed)
    look(request, model, out, as_json)
