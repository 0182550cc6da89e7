"""`the-experiment inspect`: what a model holds while it writes one completion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.choices import Maps
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment inspect 1,0,1,0,1 --what lens",
    "the-experiment inspect 1,0,1,0,1 --what attention --model tiny-gpt2-causal",
)


def inspect(
    sequence: Annotated[
        str, typer.Argument(metavar="SEQ", help="The sequence to answer, such as '1,0,1,0,1'.")
    ],
    what: Annotated[Maps, options.Option("--what", help="The maps to show.")] = "lens",
    site: Annotated[
        str, options.Option(help="Show a single site, such as pattern.0.1 or mlp_act.2.")
    ] = "",
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Heat maps of attention, logit lens, activations, weights or logits."""
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.inspect import Inspect

    look(Inspect.checked(sequence=sequence, what=what, site=site or None), model, out, as_json)
