"""Each part as the baseline that knows most of it has it: what no single baseline may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from the_experiment.data.cases import Cases, Guesses, Truths
from the_experiment.evaluation.contestants import Contestant
from the_experiment.evaluation.guessing import Answered, p_of_guessing
from the_experiment.evaluation.predictions import Shares, always, sometimes
from the_experiment.evaluation.verdict import Pairing


@dataclass(frozen=True)
class Composite:
    """Some baselines taken together, part by part, by hindsight."""

    known: Shares  # (cases, parts): how right the best baseline for a part is, at its best
    guesses: Guesses  # in each case

    @classmethod
    def of(
        cls, baselines: Sequence[Contestant], cases: Cases, parts: Sequence[str], asked: Truths
    ) -> Composite:
        """On those cases that are asked."""
        known = [
            _best(
                [
                    cases.right_in(part, states)[asked]
                    for one in baselines
                    for states in one.graded.ways_of(part)
                ]
            )
            for part in parts
        ]
        return cls(np.stack(known, axis=1), cases.guesses[asked])

    @property
    def right(self) -> Shares:
        """(cases,): how right a case is."""
        right: Shares = self.known.prod(axis=1)
        return right

    def p(self, model: Answered) -> float:
        """p of a model being better, and of guessing: the larger."""
        return max(self.p_better(model), self.p_of_guessing(model))

    def p_better(self, model: Answered) -> float:
        """p of a model being better (exact McNemar)."""
        return Pairing.of(model.cases, self.right).better

    def p_of_guessing(self, model: Answered) -> float:
        """p of as many right cases by guessing some parts and having the others so."""
        return p_of_guessing(model, self.guesses, self.known)


def _best(found: Sequence[Shares]) -> Shares:
    """The one that is right most often, if its ties are lucky."""
    best = max(found, key=lambda right: (sometimes(right).sum(), always(right).sum()))
    return sometimes(best).astype(float)
