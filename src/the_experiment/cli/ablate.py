"""`the-experiment ablate`: take out each piece of a model in turn."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment ablate --each head",
    "the-experiment ablate --each layer --mode zero --model tiny-rnn-causal",
)


class Mode(str, Enum):
    """What a silenced piece gives instead."""

    zero = "zero"
    mean = "mean"
    resample = "resample"


def ablate(
    each: Annotated[
        str, options.Option(help="head, layer, attention, mlp or neuron; for an RNN also gate.")
    ] = "head",
    mode: Annotated[Mode, options.Option(help="What it gives instead.")] = Mode.mean,
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """What each head, layer, MLP or neuron is for: the drop by part when it is silenced."""
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.ablate import AblateEach

    look(AblateEach.checked(each=each, mode=mode.value, seed=seed), model, out, as_json)
