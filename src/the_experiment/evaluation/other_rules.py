"""Which other simple rule a model's held-out answers follow, where they are not the right ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.worlds.world import World

MOST_INPUTS = 2  # that another rule reads

# What a truth table of one or two inputs is called; of two, for (0, 0), (0, 1), (1, 0) and (1, 1).
NAMES: Mapping[tuple[int, ...], str] = {
    (0,): "0",
    (1,): "1",
    (0, 1): "{0}",
    (1, 0): "NOT {0}",
    (0, 0, 0, 1): "{0} AND {1}",
    (0, 1, 1, 1): "{0} OR {1}",
    (0, 1, 1, 0): "{0} XOR {1}",
    (1, 0, 0, 1): "{0} == {1}",
    (1, 1, 1, 0): "NOT ({0} AND {1})",
    (1, 0, 0, 0): "NOT ({0} OR {1})",
    (0, 0, 1, 0): "{0} AND NOT {1}",
    (0, 1, 0, 0): "{1} AND NOT {0}",
    (1, 0, 1, 1): "{0} OR NOT {1}",
    (1, 1, 0, 1): "{1} OR NOT {0}",
}


def other_rule(
    world: World, part: str, seen: Integers, held_out: Integers, written: Integers
) -> str:
    """The rule of at most two inputs that a model follows in place of the right one.

    It gives the right value of the part in all `seen` states and what the model has `written` (n,)
    in all n `held_out` ones, of which one at least is wrong. Empty where there is none, for a part
    or inputs that are not boolean, and where not every case of that rule occurs.

    >>> from the_experiment.worlds import find_world
    >>> world = find_world("causal")
    >>> states = world.states()
    >>> quadrant = (states[:, 0] == 1) & (states[:, 2] == 1)
    >>> other_rule(world, "newA", states[~quadrant], states[quadrant], np.ones(8, dtype=np.int64))
    'A OR C'
    """
    truth = world.part_values(held_out)[part]
    boolean = all(domain.boolean for domain in world.inputs.values())
    if not boolean or (written == truth).all():
        return ""
    states = np.concatenate([seen, held_out])
    values = np.concatenate([world.part_values(seen)[part], written])
    if not np.isin(values, (0, 1)).all():
        return ""
    for count in range(MOST_INPUTS + 1):
        for inputs in combinations(range(states.shape[1]), count):
            table = _table(states[:, inputs], values)
            if table in NAMES:
                return NAMES[table].format(*(list(world.inputs)[place] for place in inputs))
    return ""


def _table(inputs: Integers, values: Integers) -> tuple[int, ...]:
    """The value of each case of the inputs; nothing if one is missing or has two values."""
    cases = inputs @ (1 << np.arange(inputs.shape[1])[::-1]).astype(np.int64)
    ones = np.bincount(cases, weights=values, minlength=2 ** inputs.shape[1])
    all_of_them = np.bincount(cases, minlength=2 ** inputs.shape[1])
    if (all_of_them == 0).any() or ((ones != 0) & (ones != all_of_them)).any():
        return ()
    return tuple((ones > 0).astype(int).tolist())
