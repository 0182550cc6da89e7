"""A decision tree, grown until it fits every seen state."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines
from the_experiment.evaluation.predictions import Predictions
from the_experiment.evaluation.tied_trees import MOST_NODES, TiedTrees, TooManyError

DRAWS = 100  # trees where their ties are too many to count


@baselines.register("decision tree")
def decision_tree(examples: Examples, asked: Integers) -> Predictions:
    """Gini impurity, as scikit-learn's default: every tree that its ties allow, each by its share.

    Where there are too many to count, `DRAWS` of scikit-learn's are drawn instead.
    """
    try:
        return TiedTrees(examples.states, examples.values, asked, MOST_NODES).predictions()
    except TooManyError:
        return _drawn(examples, asked)


def _drawn(examples: Examples, asked: Integers) -> Predictions:
    """A forest without bootstrap, all features at each split: its trees differ in ties alone."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(DRAWS, bootstrap=False, max_features=None, random_state=0).fit(
        examples.states, examples.values
    )
    draws = [forest.classes_[tree.predict(asked).astype(np.int64)] for tree in forest.estimators_]
    return Predictions.of_draws(np.array(draws, dtype=np.int64))
