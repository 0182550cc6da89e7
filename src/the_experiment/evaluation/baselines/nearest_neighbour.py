"""The vote of the seen states that differ in the fewest inputs."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines
from the_experiment.evaluation.predictions import Predictions


@baselines.register("nearest neighbour")
def nearest_neighbour(examples: Examples, asked: Integers) -> Predictions:
    """The commonest value among all seen states at the smallest Hamming distance.

    Where several values have as many votes, each of them is as likely.
    """
    values, coded = np.unique(examples.values, return_inverse=True)
    votes = np.array([_votes(examples.states, coded, len(values), state) for state in asked])
    votes = votes.reshape(len(asked), len(values))
    return Predictions.of_ties(values, votes == votes.max(axis=1, keepdims=True))


def _votes(states: Integers, coded: Integers, values: int, state: Integers) -> Integers:
    distance = (states != state).sum(axis=1)
    return np.bincount(coded[distance == distance.min()], minlength=values)
