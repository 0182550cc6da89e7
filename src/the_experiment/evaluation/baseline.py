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


MOST_VALUES = 32  # of an output that is told by a column for each

# From the examples and new states (m, features) to a value for each of the m, or to predictions
# over all ties where there are any; None where the baseline can't be applied, such as parities of
# inputs that are not boolean.
Baseline = Callable[[Examples, Integers], Predictions | Integers | None]

baselines: Registry[Baseline] = Registry(
    "baseline", "the_experiment.evaluation.baselines", "the_experiment.baselines"
)


def learned(
    baseline: Baseline, world: World, seen: Integers, asked: Integers
) -> dict[str, Predictions]:
    """What the baseline, fitted to the seen states, predicts for each part it can be applied to.

    It learns each part by itself: a rule from the inputs; an aggregate, such as a sum, from the
    inputs and the right values of the rules, which a model has before it when it writes one.
    """
    boolean = all(domain.boolean for domain in world.inputs.values())
    values = world.part_values(seen)
    found: dict[str, Predictions] = {}
    for part, bounds in world.part_bounds.items():
        features = world.features if part in world.rule_parts else _with_outputs(world)
        examples = Examples(features(seen), values[part], bounds, boolean)
        predictions = baseline(examples, features(asked))
        if isinstance(predictions, Predictions):
            found[part] = predictions
        elif predictions is not None:  # values without ties
            found[part] = Predictions.of_draws(predictions[None])
    return found


def _with_outputs(world: World) -> Callable[[Integers], Integers]:
    """The features of states, and after them every output: booleans as such.

    Beside boolean inputs a column says for each other value whether the output has it; an output of
    many values is left out there.
    """
    boolean = all(domain.boolean for domain in world.inputs.values())

    def features(states: Integers) -> Integers:
        columns = [world.features(states)]
        for name, values in world.evaluate(states).items():
            low, high = world.output_bounds[name]
            if not boolean or (low, high) == (0, 1):
                columns.append(values)
            elif high - low < MOST_VALUES:
                columns += [(values == value).astype(np.int64) for value in range(low, high + 1)]
        return np.column_stack(columns)

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
