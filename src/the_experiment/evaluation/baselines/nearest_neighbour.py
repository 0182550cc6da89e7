"""The vote of the seen states that differ in the fewest inputs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines
from the_experiment.evaluation.predictions import Predictions

PAIRS = 2**22  # of a new state and a seen one that are compared at a time: some 20 MB


@baselines.register("nearest neighbour")
def nearest_neighbour(examples: Examples, asked: Integers) -> Predictions:
    """The commonest value among all seen states at the smallest Hamming distance.

    Where several values have as many votes, each of them is as likely.
    """
    values, coded = np.unique(examples.values, return_inverse=True)
    seen, boolean = examples.states, examples.boolean_inputs
    blocks = np.array_split(asked, 1 + len(asked) * len(seen) // PAIRS)
    votes = [_votes(_agreement(seen, one, boolean), coded, len(values)) for one in blocks]
    most = np.concatenate(votes)
    return Predictions.of_ties(values, most == most.max(axis=1, keepdims=True))


def _agreement(seen: Integers, new: Integers, boolean: bool) -> npt.NDArray[np.float32]:
    """(new, seen): the larger, the more features agree; whole numbers."""
    if boolean:  # a product of signs: 1 where two agree, else -1
        new_signs, seen_signs = ((2 * one - 1).astype(np.float32) for one in (new, seen))
        product: npt.NDArray[np.float32] = new_signs @ seen_signs.T
        return product
    agreeing = np.zeros((len(new), len(seen)), dtype=np.float32)
    for ours, theirs in zip(new.T, seen.T, strict=True):
        agreeing += ours[:, None] == theirs
    return agreeing


def _votes(agreement: npt.NDArray[np.float32], coded: Integers, values: int) -> Integers:
    """(new, values): how many of the nearest seen states have each value."""
    new, nearest = np.nonzero(agreement == agreement.max(axis=1, keepdims=True))
    counts = np.bincount(new * values + coded[nearest], minlength=len(agreement) * values)
    return counts.reshape(len(agreement), values)
