"""What a baseline is, and what all of them learn of one split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    bounds: Bounds  # the smallest and largest value that the part has, seen or held out
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
    inputs and the right values of the rules that it is computed from, where they are written before
    it, as a model has them. Other rules would only mislead: where they follow from the inputs in
    all that was seen, the fit may lean on them instead.
    """
    boolean = all(domain.boolean for domain in world.inputs.values())
    states = np.concatenate([seen, asked])
    values = world.part_values(states)
    found: dict[str, Predictions] = {}
    for number, part in enumerate(world.parts):
        used = [] if part in world.rule_parts else world.aggregates[part]
        rules = [values[name] for name in world.parts[:number] if name in used]
        features = np.column_stack([world.features(states), *_columns(rules, boolean)])
        shown, new = np.split(features, [len(seen)])
        bounds = int(values[part].min()), int(values[part].max())
        predictions = baseline(Examples(shown, values[part][: len(seen)], bounds, boolean), new)
        if isinstance(predictions, Predictions):
            found[part] = predictions
        elif predictions is not None:  # values without ties
            found[part] = Predictions.of_draws(predictions[None])
    return found


def _columns(outputs: Sequence[Integers], boolean_inputs: bool) -> Iterator[Integers]:
    """Outputs as features. Beside boolean inputs there is a column for each value but booleans'.

    An output of many values is left out there.
    """
    for output in outputs:
        values = np.unique(output)
        if not boolean_inputs or {*values.tolist()} <= {0, 1}:
            yield output
        elif len(values) <= MOST_VALUES:
            yield from ((output == value).astype(np.int64) for value in values)


def one_hot(examples: Examples, asked: Integers) -> tuple[Any, Any]:
    """Both sets of states as features for a linear model: booleans as such, integers one-hot.

    Arrays, or scipy's sparse ones.
    """
    if examples.boolean_inputs:
        return examples.states, asked
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="ignore").fit(examples.states)
    return encoder.transform(examples.states), encoder.transform(asked)
