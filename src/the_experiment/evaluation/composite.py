"""Each part as the baseline that knows most of it has it: what no single baseline may have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from the_experiment.data.cases import Cases, Guesses, Truths
from the_experiment.evaluation.contestants import Contestant
from the_experiment.evaluation.guessing import p_of_guessing
from the_experiment.evaluation.predictions import sometimes
from the_experiment.evaluation.verdict import Pairing

MOST_WAYS = 64  # to choose among baselines that know a part equally well


@dataclass(frozen=True)
class Composite:
    """Some baselines taken together, part by part, by hindsight."""

    best: Sequence[Sequence[Truths]]  # by part: (cases,) that each of the best baselines has right
    guesses: Guesses  # in each case

    @classmethod
    def of(
        cls, baselines: Sequence[Contestant], cases: Cases, parts: Sequence[str], asked: Truths
    ) -> Composite:
        """On those cases that are asked; of ties the lucky end."""
        best = [
            _best(
                [
                    sometimes(cases.part_right(part, states)[asked])
                    for one in baselines
                    for states in one.graded.ways_of(part)
                ]
            )
            for part in parts
        ]
        return cls(best, cases.guesses[asked])

    @cached_property
    def ways(self) -> list[Truths]:
        """(cases, parts) that are known, in every way to choose among the best; or by any, of many.

        Two that have equally many cases right may have different ones.
        """
        best = self.best
        if math.prod(map(len, best)) > MOST_WAYS:
            best = [[np.logical_or.reduce(of_part)] for of_part in best]
        return [np.stack(way, axis=1) for way in product(*best)]

    @property
    def right(self) -> int:
        """How many cases are right, in the best way."""
        return max(int(way.all(axis=1).sum()) for way in self.ways)

    def p(self, model: Truths) -> float:
        """p of a model that is right in these cases being better, and of guessing: the larger."""
        return max(self.p_better(model), self.p_of_guessing(model))

    def p_better(self, model: Truths) -> float:
        """p of a model being better (exact McNemar)."""
        known = (np.logical_and.reduce(way, axis=1).astype(float) for way in self.ways)
        return max(Pairing.of(model, right).better for right in known)

    def p_of_guessing(self, model: Truths) -> float:
        """p of as many right cases by guessing what is not known."""
        return max(p_of_guessing(int(model.sum()), self.guesses, way) for way in self.ways)


def _best(found: Sequence[Truths]) -> list[Truths]:
    """All that are right most often."""
    most = max(right.sum() for right in found)
    return list({right.tobytes(): right for right in found if right.sum() == most}.values())
