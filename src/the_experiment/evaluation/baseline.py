"""What a baseline is, and running all of them on one split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from the_experiment.base.registry import Registry
from the_experiment.base.seeds import Integers
from the_experiment.worlds.world import World

# What baselines are given, in the words that stand below every table of theirs.
GIVEN = (
    "Baselines learn the outputs of the rules from the same seen states; what a completion "
    "computes from those, such as sums, is computed for them."
)


@dataclass(frozen=True)
class Examples:
    """The seen states, and one output's right value in each."""

    states: Integers  # (n, features): the inputs; of worlds that are texts, their characters
    values: Integers  # (n,)
    boolean_inputs: bool


# From the examples and new states (m, features) to a value for each (m,); None where the baseline
# can't be applied, such as parities of inputs that are not boolean.
Baseline = Callable[[Examples, Integers], Integers | None]

baselines: Registry[Baseline] = Registry(
    "baseline", "the_experiment.evaluation.baselines", "the_experiment.baselines"
)


def predicted_parts(
    baseline: Baseline, world: World, seen: Integers, asked: Integers
) -> dict[str, Integers] | None:
    """What the baseline, fitted to the seen states, gives for each part of the asked ones.

    It learns the outputs of the rules. What the completion computes from them, such as a sum, is
    computed for it: a baseline is given every advantage, so that beating it means something.
    """
    boolean = all(domain.boolean for domain in world.inputs.values())
    shown, unknown = world.features(seen), world.features(asked)
    outputs: dict[str, Integers] = {}
    for output, values in world.evaluate(seen).items():
        answer = baseline(Examples(shown, values, boolean), unknown)
        if answer is None:
            return None
        outputs[output] = answer
    return world.parts_from(asked, outputs)


def one_hot(examples: Examples, asked: Integers) -> tuple[Any, Any]:
    """Both sets of states as features for a linear model: booleans as such, integers one-hot.

    Arrays, or scipy's sparse ones.
    """
    if examples.boolean_inputs:
        return examples.states, asked
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="ignore").fit(examples.states)
    return encoder.transform(examples.states), encoder.transform(asked)
