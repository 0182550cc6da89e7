"""The commonest value, whatever the input."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines
from the_experiment.evaluation.predictions import Predictions


@baselines.register("majority")
def majority(examples: Examples, asked: Integers) -> Predictions:
    """The value that most seen states have; of several, any one of them for all states alike."""
    values, counts = np.unique(examples.values, return_counts=True)
    commonest = values[counts == counts.max()]
    return Predictions.of_draws(np.repeat(commonest[:, None], len(asked), axis=1))
