"""Logistic regression: each input adds its weight, and inputs do not interact."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines, one_hot
from the_experiment.evaluation.predictions import Predictions

CLOSE = 1e-3  # probabilities that differ by less are a tie: the solver's last digits would decide
MANY = 128  # features above which a fit to the last digits takes minutes, as with texts


@baselines.register("logistic regression")
def logistic_regression(examples: Examples, asked: Integers) -> Predictions:
    """scikit-learn's, nearly unregularised, so that it fits what a linear rule can fit."""
    from sklearn.linear_model import LogisticRegression

    values = np.unique(examples.values)
    if len(values) == 1:
        return Predictions.of_ties(values, np.ones((len(asked), 1), dtype=np.bool_))
    seen_features, asked_features = one_hot(examples, asked)
    tolerance = 1e-8 if seen_features.shape[1] <= MANY else 1e-4
    model = LogisticRegression(C=100.0, max_iter=5_000, tol=tolerance)
    chances = model.fit(seen_features, examples.values).predict_proba(asked_features)
    return Predictions.of_ties(values, chances > chances.max(axis=1, keepdims=True) - CLOSE)
