"""The vote of the seen states that differ in the fewest inputs."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines


@baselines.register("nearest neighbour")
def nearest_neighbour(examples: Examples, asked: Integers) -> Integers:
    """The commonest value among all seen states at the smallest Hamming distance."""
    values, coded = np.unique(examples.values, return_inverse=True)
    return np.array([values[_vote(examples.states, coded, state)] for state in asked], np.int64)


def _vote(states: Integers, coded: Integers, state: Integers) -> int:
    distance = (states != state).sum(axis=1)
    return int(np.bincount(coded[distance == distance.min()]).argmax())
