"""`the-experiment probe`: where a value can be read in a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment probe --for newB",
    "the-experiment probe --for newA --model tiny-rnn-causal",
)


def probe(
    of: Annotated[
        str, options.Option("--for", help="The input or output to probe for, such as newB.")
    ],
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Linear probes of every layer, beside an untrained model and shuffled labels."""
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.probe import Probe

    look(Probe.checked(of=of, seed=seed), model, out, as_json)
