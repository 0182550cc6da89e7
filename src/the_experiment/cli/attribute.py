"""`the-experiment attribute`: what each head and MLP adds to the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment attribute",
    "the-experiment attribute 1,0,1,0,1 --model tiny-cnn-causal",
)


def attribute(
    sequence: Annotated[
        str,
        typer.Argument(
            metavar="[SEQ]", help="The sequence to explain. Default: the average over all states."
        ),
    ] = "",
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Direct logit attribution of heads and MLPs, and integrated gradients of inputs."""
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.attribute import Attribute

    look(Attribute.checked(sequence=sequence or None, seed=seed), model, out, as_json)
