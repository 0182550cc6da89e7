"""Contestants beside each other, place by place: how they differ, and how likely by chance."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from the_experiment.data.cases import Guesses, distinct_rows
from the_experiment.evaluation.guessing import guessers
from the_experiment.evaluation.predictions import Shares
from the_experiment.evaluation.statistics import LEVEL, sign_flip
from the_experiment.experiments.splits.results import FitScore

COMPOSITE = "the best pattern for each part"
HALF = 0.5  # of tie-breaks

Place = tuple[str, str, int]  # hold-outs, split, seed
ByPlace = Mapping[Place, FitScore]


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
    """Each part as the pattern has it that has most of it, over all places; of several, as any."""
    counts = np.array([_right_by_part(one) for one in patterns])
    found = {}
    for place, score in patterns[0].items():
        every = np.stack([one[place].parts for one in patterns])  # (patterns, cases, parts)
        best = np.isclose(counts, counts.max(axis=0))[:, None]
        parts = np.where(best, every, 0.0).max(axis=0)
        found[place] = replace(score, parts=parts, right=parts.prod(axis=1))
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


def _differences(one: FitScore, other: FitScore) -> dict[Hashable, float]:
    """By case that both are judged on."""
    differences = one.right - other.right
    both = one.judged & other.judged
    return {case: float(differences[row]) for row, case in enumerate(one.cases) if both[row]}


def p_of_guessing(model: ByPlace, known: ByPlace, pairs: Sequence[Sequence[Place]]) -> float:
    """p of being better than guessing what patterns mostly don't know, by the likeliest way."""
    judged = {place: score.only_judged for place, score in model.items()}
    tasks = [score.guesses for score in judged.values()]
    if not tasks:
        return 1.0
    values = np.concatenate([one.values for one in tasks])
    guesses = Guesses(
        np.concatenate([one.guessed for one in tasks]),
        np.concatenate([one.answers for one in tasks]),
        values[distinct_rows(values)[0]],
    )
    shares = np.concatenate([known[place].only_judged.parts for place in judged])
    ends = np.cumsum([len(one.guessed) for one in tasks])[:-1]
    found = []
    for guesser in guessers(guesses, shares > HALF):
        chances = zip(judged.items(), np.split(guesser.chances, ends), strict=True)
        guessed = {place: replace(score, right=chance) for (place, score), chance in chances}
        against = compared(judged, guessed, pairs)
        found.append(guesser.luck * (against.p if against.difference > 0 else 1.0))
    return max(found)
