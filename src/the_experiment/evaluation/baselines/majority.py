"""The commonest value, whatever the input."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines


@baselines.register("majority")
def majority(examples: Examples, asked: Integers) -> Integers:
    """The value that most seen states have; the smallest of several."""
    values, counts = np.unique(examples.values, return_counts=True)
    return np.full(len(asked), values[counts.argmax()])
