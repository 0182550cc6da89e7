"""How likely cases are to be right for who guesses some parts, and has the others as baselines do.

A model that knows the easy rules of a world and flips a coin for the hard one is better than any
baseline that has the hard one wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.data.cases import Guesses, Truths
from the_experiment.evaluation.paired import holm
from the_experiment.evaluation.predictions import Shares
from the_experiment.evaluation.verdict import Pairing


@dataclass(frozen=True)
class Answered:
    """What of n cases a model has right."""

    cases: Truths  # (n,)
    parts: Truths  # (n, parts)


def p_of_guessing(model: Answered, guesses: Guesses, known: Shares) -> float:
    """How likely it is to have at least so many of n cases right by guessing.

    Each part is guessed case by case, any of the values that occur; or by habit, one answer in all
    cases, as where a rule is 0 in 31 of 32 of them; or it is as right as `known` (n, parts) says.
    Parts that are guessed together share what they can be: those that follow from each other are
    one guess. In a case in which a part is guessed, what was seen of it is given. The likeliest of
    all these counts, taken in order: first those are guessed of which least is known, and by habit
    those of which one answer has most.

    >>> ten = np.arange(10)[:, None]
    >>> alone, unknown = Guesses(ten >= 0, ten > 8, np.array([[0], [1]])), np.zeros((10, 1))
    >>> p_of_guessing(Answered(ten[:, 0] >= 0, ten >= 0), alone, unknown)
    0.0009765625
    >>> p_of_guessing(Answered(ten[:, 0] < 9, ten < 9), alone, unknown)
    0.5
    """
    if not model.cases.any():
        return 1.0
    guessers = _guessers(guesses, known)
    return max((_p(model, guesses, known, *guesser) for guesser in guessers), default=1.0)


def _guessers(guesses: Guesses, known: Shares) -> Iterator[tuple[Truths, Truths]]:
    """Which parts (parts,) are guessed case by case, and which by habit.

    Parts that are known no better than by a coin are guessed by each of them.
    """
    cases = guesses.guessed.sum(axis=0)
    every = range(len(cases))
    coin = np.array([1 / len(np.unique(guesses.values[:, part])) for part in every])
    steady = np.array([_most_of_one_answer(guesses, part) for part in every])
    share_known = (known * guesses.guessed).sum(axis=0) / np.maximum(cases, 1)
    share_steady = steady / np.maximum(cases, 1)
    for most in np.unique([-1.0, *share_known]):
        guessed = (cases > 0) & (share_known <= np.maximum(most, coin))
        for least in np.unique([2.0, *share_steady[guessed]]) if guessed.any() else ():
            habits = guessed & (share_steady >= least)
            yield guessed & ~habits, habits


def _most_of_one_answer(guesses: Guesses, part: int) -> int:
    """In how many cases that part is right by the one answer that is right most often."""
    answers = guesses.answers[guesses.guessed[:, part], part]
    return int(np.unique(answers, return_counts=True)[1].max(initial=0))


def _p(model: Answered, guesses: Guesses, known: Shares, coins: Truths, habits: Truths) -> float:
    """By one way to guess, unless the model is better in the parts that are not guessed.

    A case or two that a model has more there, by luck, are given: whoever has 31 of 32 cases by a
    habit would else be better than the same habit with 30.
    """
    guessed = guesses.guessed & (coins | habits)
    given = guessed.any(axis=1, keepdims=True) & (~guesses.guessed | guessed)
    rest = np.where(given, 1.0, known).prod(axis=1)
    model_rest = np.logical_and.reduce(given | model.parts, axis=1)
    right, chances = int(model.cases.sum()), 1 / _occurring(guesses, coins)
    as_known, as_model = (
        _p_of_so_many(right, guesses, share * chances, habits)
        for share in (rest, np.maximum(rest, model.cases))
    )
    better = Pairing.of(model_rest, rest).better
    return max(as_known, min(holm([better, as_model])) if better < 1 else as_model)


def _p_of_so_many(right: int, guesses: Guesses, chances: Shares, habits: Truths) -> float:
    """Given each case's chance. Habits of parts that are never guessed together are independent."""
    distribution = np.ones(1)  # of the number of cases that are right
    for block, parts in _blocks(guesses.guessed & habits):
        found = _of_block(guesses[block], chances[block], parts)
        distribution = np.convolve(distribution, found)
    return float(distribution[right:].sum())


def _occurring(guesses: Guesses, parts: Truths) -> Integers:
    """(n,): how many values the parts that are guessed in a case have together, in all states."""
    found = np.ones(len(guesses.guessed), dtype=np.int64)
    for pattern, here in _patterns(guesses.guessed & parts):
        found[here] = len(np.unique(guesses.values[:, pattern], axis=0))
    return found


def _patterns(guessed: Truths) -> Iterator[tuple[Truths, Truths]]:
    """Every different row (parts,) that has any part, and the cases (n,) that have it."""
    patterns, which = np.unique(guessed, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if pattern.any():
            yield pattern, which.reshape(-1) == number


def _blocks(guessed: Truths) -> Iterator[tuple[Truths, Truths]]:
    """Cases (n,) with the parts guessed in them, no part in two blocks; and those without any."""
    from scipy.sparse.csgraph import connected_components

    together = guessed.T.astype(np.int64) @ guessed.astype(np.int64)
    label = connected_components(together, directed=False)[1]
    for number in np.unique(label[guessed.any(axis=0)]):
        parts: Truths = label == number
        yield np.logical_or.reduce(guessed & parts, axis=1), parts
    none = ~np.logical_or.reduce(guessed, axis=1)
    if none.any():
        yield none, np.zeros(len(label), dtype=np.bool_)


def _of_block(guesses: Guesses, chances: Shares, parts: Truths) -> Shares:
    """How likely each number of cases is to be right, if the parts have any one value in all."""
    if not parts.any():
        return _distribution(chances)
    habits = np.unique(guesses.values[:, parts], axis=0)
    asked = list(_patterns(guesses.guessed & parts))
    says = np.empty((len(habits), len(asked)), dtype=np.int64)  # what a habit says to a pattern
    code, pattern_of = np.empty((2, len(chances)), dtype=np.int64)
    for number, (pattern, here) in enumerate(asked):
        rows = np.concatenate([habits[:, pattern[parts]], guesses.answers[here][:, pattern]])
        numbers = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
        said, code[here] = np.split(numbers, [len(habits)])
        says[:, number] = np.where(np.isin(said, code[here]), said, -1)  # right nowhere
        pattern_of[here] = number
    found = np.zeros(len(chances) + 1)
    different, counts = np.unique(says, axis=0, return_counts=True)
    for said, count in zip(different, counts, strict=True):
        of_habit = _distribution(chances[code == said[pattern_of]])
        found[: len(of_habit)] += of_habit * count / len(habits)
    return found


def _distribution(chances: Shares) -> Shares:
    """How likely each number of cases is to be right, each by its own chance (Poisson binomial)."""
    from scipy.stats import binom

    found = np.ones(1)
    for chance, n in zip(*np.unique(chances, return_counts=True), strict=True):
        found = np.convolve(found, binom.pmf(np.arange(n + 1), n, chance))
    return found
