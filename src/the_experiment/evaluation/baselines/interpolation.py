"""Low-degree interpolation: the polynomial of least degree that fits every seen state."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines

MOST_PARITIES = 3_000  # columns of the least-squares problem
TOLERANCE = 1e-6


@baselines.register("interpolation")
def interpolation(examples: Examples, asked: Integers) -> Integers | None:
    """The fit of least degree, and of least norm among those, in parities of boolean inputs.

    Abbe et al., "Generalization on the Unseen" (ICML 2023, arXiv 2301.13105), call it the
    minimum-degree interpolator. None for other inputs, or where no degree within reach fits.
    """
    if not examples.boolean_inputs:
        return None
    seen_columns: list[np.ndarray] = []
    asked_columns: list[np.ndarray] = []
    for degree in range(examples.states.shape[1] + 1):
        for inputs in combinations(range(examples.states.shape[1]), degree):
            seen_columns.append(_parity(examples.states, inputs))
            asked_columns.append(_parity(asked, inputs))
        if len(seen_columns) > MOST_PARITIES:
            return None
        seen = np.stack(seen_columns, axis=1)
        weights = np.linalg.lstsq(seen, examples.values.astype(float), rcond=None)[0]
        if np.abs(seen @ weights - examples.values).max() < TOLERANCE:
            values = np.stack(asked_columns, axis=1) @ weights
            # Exactly one half is common where a quadrant is hidden. Without the first rounding the
            # last bits, which differ from machine to machine, would decide it.
            fitted: Integers = np.rint(np.round(values, 9)).astype(np.int64)
            return fitted
    return None


def _parity(states: Integers, inputs: tuple[int, ...]) -> np.ndarray:
    signs: np.ndarray = 1.0 - 2.0 * states[:, list(inputs)]
    return np.asarray(signs.prod(axis=1))
