"""`the-experiment faithfulness`: is what a model uses what the rules compute a part from?"""

from __future__ import annotations

from pathlib import Path

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment faithfulness",
    "the-experiment faithfulness -m tiny-gpt2-causal -m tiny-rnn-causal",
)


def faithfulness(
    seed: options.Seed = 0,
    model: options.Models = defaults.EVERY_MODEL,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Faithfulness: the share of attribution on causal ancestors, beside untrained models."""
    from the_experiment.cli.inside import look
    from the_experiment.inside.verbs.faithfulness import Faithfulness

    look(Faithfulness.checked(seed=seed), model, out, as_json)
