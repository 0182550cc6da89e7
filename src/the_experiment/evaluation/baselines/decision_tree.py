"""A decision tree, grown until it fits every seen state."""

from __future__ import annotations

from typing import Any

import numpy as np

from the_experiment.base.seeds import Integers, Stream
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
    """A forest without bootstrap, all features at each split: its trees differ in ties alone.

    scikit-learn puts a threshold half way between two values; here it is drawn from all that part
    the seen states in the same way.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        DRAWS, bootstrap=False, max_features=None, random_state=0, n_jobs=-1
    ).fit(examples.states, examples.values)
    draws = [
        _predict(one.tree_, examples.states, asked, Stream(0, "thresholds", number))
        for number, one in enumerate(forest.estimators_)
    ]
    return Predictions.of_draws(forest.classes_[np.array(draws)])


def _predict(tree: Any, seen: Integers, asked: Integers, thresholds: Stream) -> Integers:
    """(n,): the number of the class that a tree of scikit-learn's gives to each new state."""
    found = np.zeros(len(asked), dtype=np.int64)
    waiting = [(0, np.arange(len(seen)), np.arange(len(asked)))]
    while waiting:
        node, rows, new = waiting.pop()
        feature = tree.feature[node]
        if feature < 0:
            found[new] = tree.value[node].argmax()
        elif len(new):
            column = seen[rows, feature]
            left = column.astype(np.float32) <= tree.threshold[node]  # as the tree was grown
            low, high = column[left].max(), column[~left].min()
            below = asked[new, feature] <= low + thresholds.below(int(high - low), 1)[0]
            waiting.append((tree.children_left[node], rows[left], new[below]))
            waiting.append((tree.children_right[node], rows[~left], new[~below]))
    return found
