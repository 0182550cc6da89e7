"""A decision tree, grown until it fits every seen state."""

from __future__ import annotations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines


@baselines.register("decision tree")
def decision_tree(examples: Examples, asked: Integers) -> Integers:
    """scikit-learn's, with its default split criterion and a fixed seed for ties."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0).fit(examples.states, examples.values)
    return np.asarray(tree.predict(asked), dtype=np.int64)
