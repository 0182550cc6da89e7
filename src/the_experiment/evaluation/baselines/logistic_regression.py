"""Logistic regression: each input adds its weight, and inputs do not interact."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines, one_hot
from the_experiment.evaluation.predictions import Predictions

TOLERANCE = 1e-9  # of singular values, beside the largest
CLOSE = 1e-3  # probabilities that differ by less are a tie: the solver's last digits would decide
MANY = 128  # features above which a fit to the last digits takes minutes, as with texts
MOST_STEPS = 300  # of a fit to so many
MOST_CELLS = 10**8  # rows by columns of a matrix that is taken apart: .8 GB


@baselines.register("logistic regression")
def logistic_regression(examples: Examples, asked: Integers) -> Predictions:
    """scikit-learn's, nearly unregularised, so that it fits what a linear rule can fit."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    values = np.unique(examples.values)
    if len(values) == 1:
        return Predictions.of_ties(values, np.ones((len(asked), 1), dtype=np.bool_))
    seen, new = one_hot(examples, asked)
    model = LogisticRegression(C=100.0, max_iter=5_000, tol=1e-8)
    if seen.shape[1] > MANY:
        if math.prod(seen.shape) <= MOST_CELLS:
            seen, new = _in_the_span(seen, new)
        model.set_params(max_iter=MOST_STEPS, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        chances = model.fit(seen, examples.values).predict_proba(new)
    return Predictions.of_ties(values, chances > chances.max(axis=1, keepdims=True) - CLOSE)


def _in_the_span(seen: Any, new: Any) -> tuple[Any, Any]:
    """Both as coordinates in the span of the seen rows, where the weights of a best fit lie.

    Those are fewer than the rows: of a text of 1,000 characters 900 instead of 32,000.
    """
    from scipy.sparse import issparse

    rows = seen.toarray() if issparse(seen) else seen.astype(np.float64)
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    kept = directions[sizes > TOLERANCE * sizes[0]].T
    return rows @ kept, new @ kept
