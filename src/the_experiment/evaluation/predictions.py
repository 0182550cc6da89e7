"""What a learner predicts, over every way to break its ties: one fit is one draw among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Integers
from the_experiment.data.cases import Truths

Shares = npt.NDArray[np.float64]
ROUNDING = 1e-9  # of shares that were added up


@dataclass(frozen=True)
class Predictions:
    """The values a learner gives to n new states, as a distribution over its tie-breaks.

    `shares[i, j]` is the share of tie-breaks in which state i gets `values[j]`. `joint` takes what
    each state may get, (n, k), and gives the share of tie-breaks in which every state gets one.
    """

    values: Integers  # (k,) distinct
    shares: Shares  # (n, k), each row adds up to 1
    joint: Callable[[Truths], float]
    draws: Integers | None = None  # (d, n) the values in each tie-break, where those are listed

    @classmethod
    def of_ties(cls, values: Integers, tied: Truths) -> Predictions:
        """Each state by itself: any of the values marked in `tied` (n, k), all equally likely.

        >>> tie = Predictions.of_ties(np.array([0, 1]), np.array([[True, False], [True, True]]))
        >>> tie.right(np.array([0, 1])).tolist(), tie.all_right(np.array([0, 1]))
        ([1.0, 0.5], 0.5)
        """
        shares = tied / tied.sum(axis=1, keepdims=True)
        return cls(values, shares, lambda right: float((shares * right).sum(axis=1).prod()))

    @classmethod
    def of_draws(cls, draws: Integers) -> Predictions:
        """Equally likely draws: `draws[d, i]` is what state i gets in draw d.

        >>> Predictions.of_draws(np.array([[0, 0], [1, 1]])).all_right(np.array([0, 1]))
        0.0
        """
        values, coded = np.unique(draws, return_inverse=True)
        coded = coded.reshape(draws.shape)
        shares = np.stack([(coded == number).mean(axis=0) for number in range(len(values))], axis=1)
        states = np.arange(draws.shape[1])

        def joint(right: Truths) -> float:
            return float(right[states, coded].all(axis=1).mean())

        return cls(values, shares, joint, draws)

    def right(self, truth: Integers) -> Shares:
        """The share of tie-breaks in which each state gets its right value: shape (n,)."""
        right: Shares = np.where(self.values == truth[:, None], self.shares, 0.0).sum(axis=1)
        return right

    def all_right(self, truth: Integers, among: slice = slice(None)) -> float:
        """The share of tie-breaks in which all states are right, or all of some."""
        right = np.ones(self.shares.shape, dtype=np.bool_)
        right[among] = (self.values == truth[:, None])[among]
        return self.joint(right)


def always(shares: Shares) -> Truths:
    """Where something holds in every tie-break."""
    return shares > 1 - ROUNDING


def sometimes(shares: Shares) -> Truths:
    """Where it holds in at least one."""
    return shares > 0
