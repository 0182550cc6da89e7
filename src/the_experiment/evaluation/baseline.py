"""What a baseline is, and what all of them learn of one split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from the_experiment.base.registry import Registry
from the_experiment.base.seeds import Integers
from the_experiment.evaluation.predictions import Predictions
from the_experiment.worlds.tree import Bounds
from the_experiment.worlds.world import World


@dataclass(frozen=True)
class Examples:
    """The seen states, and the right value of one part in each."""

    states: Integers  # (n, features): the inputs; of texts, their characters; see `learned`
    values: Integers  # (n,)
    bounds: Bounds  # the smallest and largest value that the part can have
    boolean_inputs: bool  # whether all features are 0 or 1


# From the examples and new states (m, features) to a value for each of the m, or to predictions
# over all ties where there are any; None where the baseline can't be applied, such as parities of
# inputs that are not boolean.
Baseline = Callable[[Examples, Integers], Predictions | Integers | None]

baselines: Registry[Baseline] = Registry(
    "baseline", "the_experiment.evaluation.baselines", "the_experiment.baselines"
)


def learned(
    baseline: Baseline, world: World, seen: Integers, asked: Integers
) -> dict[str, Predictions] | None:
    """What the baseline, fitted to the seen states, predicts for each part.

    It learns each part by itself: a rule from the inputs; an aggregate, such as a sum, from the
    inputs and the right values of the rules, which a model has before it when it writes one. None
    where it can't be applied to this world.
    """
    inputs_only = all(domain.boolean for domain in world.inputs.values())
    outputs_too = inputs_only and all(one == (0, 1) for one in world.output_bounds.values())
    values = world.part_values(seen)
    found: dict[str, Predictions] = {}
    for part, bounds in world.part_bounds.items():
        features = world.features if part in world.rule_parts else _with_outputs(world)
        boolean = inputs_only if part in world.rule_parts else outputs_too
        examples = Examples(features(seen), values[part], bounds, boolean)
        predictions = baseline(examples, features(asked))
        if predictions is None:
            return None
        if not isinstance(predictions, Predictions):  # values without ties
            predictions = Predictions.of_draws(predictions[None])
        found[part] = predictions
    return found


def _with_outputs(world: World) -> Callable[[Integers], Integers]:
    """The features of states, and after them the value of every output."""

    def features(states: Integers) -> Integers:
        outputs = world.evaluate(states).values()
        return np.column_stack([world.features(states), *outputs])

    return features


def one_hot(examples: Examples, asked: Integers) -> tuple[Any, Any]:
    """Both sets of states as features for a linear model: booleans as such, integers one-hot.

    Arrays, or scipy's sparse ones.
    """
    if examples.boolean_inputs:
        return examples.states, asked
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="ignore").fit(examples.states)
    return encoder.transform(examples.states), encoder.transform(asked)
