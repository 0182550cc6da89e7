"""Low-degree interpolation: the polynomial of least degree that fits every seen state."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines
from the_experiment.evaluation.predictions import Predictions
from the_experiment.worlds.tree import Bounds

MOST_PARITIES = 3_000  # columns of the least-squares problem
TOLERANCE = 1e-6


@baselines.register("interpolation")
def interpolation(examples: Examples, asked: Integers) -> Predictions | None:
    """The fit of least degree, and of least norm among those, in parities of boolean inputs.

    Abbe et al., "Generalization on the Unseen" (ICML 2023, arXiv 2301.13105), call it the
    minimum-degree interpolator. Its value is the nearest one that the part can have; half way
    between two, each is as likely. None for inputs that are not boolean, or where no degree within
    reach fits.
    """
    if not examples.boolean_inputs:
        return None
    middle = sum(examples.bounds) / 2  # a boolean becomes -1/2 and 1/2, so that 0 and 1 are alike
    centred = examples.values - middle
    seen_columns: list[np.ndarray] = []
    asked_columns: list[np.ndarray] = []
    for degree in range(examples.states.shape[1] + 1):
        for inputs in combinations(range(examples.states.shape[1]), degree):
            seen_columns.append(_parity(examples.states, inputs))
            asked_columns.append(_parity(asked, inputs))
        if len(seen_columns) > MOST_PARITIES:
            return None
        seen = np.stack(seen_columns, axis=1)
        weights = np.linalg.lstsq(seen, centred, rcond=None)[0]
        if np.abs(seen @ weights - centred).max() < TOLERANCE:
            return _nearest(np.stack(asked_columns, axis=1) @ weights + middle, examples.bounds)
    return None


def _nearest(fitted: np.ndarray, bounds: Bounds) -> Predictions:
    """The whole number in `bounds` next to each fitted one, or the two that are equally near."""
    inside = np.clip(fitted, *bounds)
    below = np.floor(inside + 0.5 - TOLERANCE).astype(np.int64)
    above = np.floor(inside + 0.5 + TOLERANCE).astype(np.int64)
    values = np.unique(np.concatenate([below, above]))
    tied = (values == below[:, None]) | (values == above[:, None])
    return Predictions.of_ties(values, tied)


def _parity(states: Integers, inputs: tuple[int, ...]) -> np.ndarray:
    signs: np.ndarray = 1.0 - 2.0 * states[:, list(inputs)]
    return np.asarray(signs.prod(axis=1))
