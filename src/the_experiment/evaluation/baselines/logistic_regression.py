"""Logistic regression: each input adds its weight, and inputs do not interact."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines, one_hot


@baselines.register("logistic regression")
def logistic_regression(examples: Examples, asked: Integers) -> Integers:
    """scikit-learn's, nearly unregularised, so that it fits what a linear rule can fit."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(examples.values)) == 1:
        return np.full(len(asked), examples.values[0])
    seen_features, asked_features = one_hot(examples, asked)
    model = LogisticRegression(C=100.0, max_iter=2_000).fit(seen_features, examples.values)
    return np.asarray(model.predict(asked_features), dtype=np.int64)
