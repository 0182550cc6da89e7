"""`the-experiment damage`: break a part of a model and see what it writes then."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment damage 1,0,1,0,1 --flip 0.1%",
    "the-experiment damage 1,0,1,0,1 --nuke layer:3 --at-token 4",
)


def damage(
    sequence: Annotated[
        str, typer.Argument(metavar="SEQ", help="The sequence to answer, such as '1,0,1,0,1'.")
    ],
    flip: Annotated[
        str, options.Option(help="Flip the sign of this share of the weights, such as 0.1%.")
    ] = "",
    zero: Annotated[
        str,
        options.Option(
            help="Zero a component, such as head:2.1, or a share of the weights, such as 1%."
        ),
    ] = "",
    noise: Annotated[
        float,
        options.Option(
            min=0,
            help="Add Gaussian noise to the residual stream before each layer, "
            "in standard deviations.",
        ),
    ] = 0.0,
    nuke: Annotated[str, options.Option(help="Zero a whole component, such as layer:3.")] = "",
    at_token: Annotated[
        int,
        options.Option(
            min=0, help="Apply the damage from the t-th generated token on. 0: from the start."
        ),
    ] = 0,
    heal: Annotated[
        int, options.Option(min=0, help="Train for this many steps after the damage.")
    ] = 0,
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Damage a model: flip weights, add noise, zero heads or layers. How much does it tolerate?"""
    from the_experiment.base.errors import UsageError
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.damage import Damage

    if nuke and ":" in zero:
        raise UsageError("--zero and --nuke each name a piece", "give one of them")
    request = Damage.checked(
        sequence=sequence,
        flip=options.share(flip),
        zero=options.share(zero) if ":" not in zero else None,
        noise=noise or None,
        prune=nuke or (zero if ":" in zero else None),
        at_token=at_token or None,
        heal=heal,
        seed=seed,
    )
    look(request, model, out, as_json)
