"""`the-experiment ablate`: take out each piece of a model in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from the_experiment.base import defaults
from the_experiment.base.choices import Replacement
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment ablate --each head",
    "the-experiment ablate --each layer --mode zero --model tiny-rnn-causal",
)


def ablate(
    each: Annotated[
        str,
        options.Option(
            help="What to ablate, one at a time: head, layer, attention, mlp or "
            "neuron; gate for an RNN."
        ),
    ] = "head",
    mode: Annotated[
        Replacement,
        options.Option(
            help="The replacement for the ablated activations: zero, mean, or "
            "those of another state."
        ),
    ] = "mean",
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Ablate each head, layer, MLP or neuron: the drop in accuracy, part by part."""
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.ablate import AblateEach

    look(AblateEach.checked(each=each, mode=mode, seed=seed), model, out, as_json)
