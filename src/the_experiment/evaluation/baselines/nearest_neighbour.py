"""The vote of the seen states that differ in the fewest inputs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines
from the_experiment.evaluation.predictions import Predictions

PAIRS = 2**24  # of a new state and a seen one that are compared at a time: 64 MB

Counts = npt.NDArray[np.float32]  # whole numbers, exact up to 2^24


@baselines.register("nearest neighbour")
def nearest_neighbour(examples: Examples, asked: Integers) -> Predictions:
    """The commonest value among all seen states at the smallest Hamming distance.

    Where several values have as many votes, each of them is as likely.
    """
    values, coded = np.unique(examples.values, return_inverse=True)
    ballots = np.eye(len(values), dtype=np.float32)[coded]  # (seen, values)
    features = _one_hot(np.concatenate([examples.states, asked]))
    seen, new = np.split(features, [len(examples.states)])
    blocks = np.array_split(new, 1 + len(new) * len(seen) // PAIRS)
    votes = np.concatenate([_votes(block @ seen.T, ballots) for block in blocks])
    return Predictions.of_ties(values, votes == votes.max(axis=1, keepdims=True))


def _one_hot(states: Integers) -> Counts:
    """(n, columns): a column for each value of each feature. Their product counts what agrees."""
    columns = [column[:, None] == np.unique(column) for column in states.T]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _votes(agreeing: Counts, ballots: Counts) -> Counts:
    """(new, values), given in how many features (new, seen) agree."""
    nearest = agreeing == agreeing.max(axis=1, keepdims=True)
    votes: Counts = nearest.astype(np.float32) @ ballots
    return votes
