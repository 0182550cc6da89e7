"""Contestants beside each other, place by place: how they differ, and how likely by chance."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from the_experiment.data.cases import Guesses
from the_experiment.evaluation.guessing import Answered, p_of_guessing
from the_experiment.evaluation.paired import LEVEL, sign_flip
from the_experiment.evaluation.predictions import Shares
from the_experiment.experiments.results import CellScore

COMPOSITE = "the best pattern for each part"

Place = tuple[str, str, int]  # hold-outs, split, seed
ByPlace = Mapping[Place, CellScore]


@dataclass(frozen=True)
class Pairs:
    """One model less another contestant, split by split, and how likely that is by chance.

    By chance over splits, or over cases, whichever is likelier: splits that ask the same cases,
    and seeds asked the same, are no more independent than a model's answers are.
    """

    differences: list[float]  # of mean shares
    p: float  # corrected for all measures that are judged

    @functools.cached_property
    def difference(self) -> float:
        """The mean of the pairs, which is what `p` is about; 0 where there is none."""
        return float(np.mean(self.differences)) if self.differences else 0.0

    @property
    def beyond_chance(self) -> bool:
        """Whether the two are told apart."""
        return self.p < LEVEL

    def __str__(self) -> str:
        return f"{self.difference:+.2f}, p = {self.p:.2g}"


def composite(patterns: Sequence[ByPlace]) -> ByPlace:
    """Each part as the pattern has it that has most of it, over all places."""
    best = np.argmax([_right_by_part(one) for one in patterns], axis=0)
    found = {}
    for place, score in patterns[0].items():
        parts = [patterns[of][place].parts[:, part] for part, of in enumerate(best)]
        each = np.stack(parts, axis=1)
        found[place] = replace(score, parts=each, right=each.prod(axis=1))
    return found


def _right_by_part(scores: ByPlace) -> Shares:
    """(parts,): how many of the judged cases are right in each."""
    every = [score.parts[score.judged].sum(axis=0) for score in scores.values()]
    right: Shares = np.sum(every, axis=0)
    return right


def pairs_among(both: ByPlace, asked: ByPlace) -> list[list[Place]]:
    """The cells that make one pair together: those of one split, or one alone; see `judge`."""
    splits: dict[str, set[frozenset[str]]] = {}
    for (way, _, _), score in asked.items():
        splits.setdefault(way, set()).add(score.states)
    several = frozenset().union(*(states for states in splits.values() if len(states) > 1))
    pairs: dict[tuple[frozenset[str], int | None], list[Place]] = {}
    for place, score in both.items():
        seed = None if score.states in several else place[2]
        pairs.setdefault((score.states, seed), []).append(place)
    return list(pairs.values())


def compared(one: ByPlace, other: ByPlace, pairs: Sequence[Sequence[Place]]) -> Pairs:
    """One less the other on the cases that both are judged on; pairs without any are left out."""
    by_case: dict[Hashable, list[float]] = {}
    by_pair = []
    for places in pairs:
        found = [_differences(one[place], other[place]) for place in places]
        means = [float(np.mean([*cases.values()])) for cases in found if cases]
        by_pair += [float(np.mean(means))] if means else []
        for case, difference in (item for cases in found for item in cases.items()):
            by_case.setdefault(case, []).append(difference)
    return Pairs(by_pair, _p(by_pair, [float(np.mean(of)) for of in by_case.values()]))


def _p(by_pair: Sequence[float], by_case: Sequence[float]) -> float:
    """The larger of both; 1 where they go different ways."""
    if sum(by_pair) * sum(by_case) <= 0:
        return 1.0
    return max(sign_flip(np.array(differences), seed=0) for differences in (by_pair, by_case))


def _differences(one: CellScore, other: CellScore) -> dict[Hashable, float]:
    """By case that both are judged on."""
    differences = one.right - other.right
    both = one.judged & other.judged
    return {case: float(differences[row]) for row, case in enumerate(one.cases) if both[row]}


def p_of_guessing_over(model: ByPlace, known: ByPlace) -> float:
    """p of a model's cases by guessing, and what patterns know, each as it is in most places."""
    rows: dict[Hashable, list[tuple[Place, int]]] = {}
    for place, score in model.items():
        for row in np.flatnonzero(score.judged).tolist():
            rows.setdefault(score.cases[row], []).append((place, row))
    if not rows:
        return 1.0

    def mostly_right(scores: ByPlace) -> Answered:
        found = [[(scores[place], row) for place, row in places] for places in rows.values()]
        cases = [np.mean([score.right[row] for score, row in places]) for places in found]
        parts = [np.mean([score.parts[row] for score, row in places], axis=0) for places in found]
        return Answered(np.array(cases) > 0.5, np.stack(parts) > 0.5)

    first = [(model[place].guesses, row) for (place, row), *_ in rows.values()]
    guesses = Guesses(
        np.stack([one.guessed[row] for one, row in first]),
        np.stack([one.answers[row] for one, row in first]),
        first[0][0].values,
    )
    return p_of_guessing(mostly_right(model), guesses, mostly_right(known).parts.astype(float))
