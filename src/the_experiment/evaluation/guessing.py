"""How likely cases are to be right by guessing whatever no baseline knows.

A model that knows the easy rules of a world and flips a coin for the hard one, or knows half of its
cases and flips a coin in the others, is better than any baseline that has those wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.data.cases import Guesses, Truths, distinct_rows
from the_experiment.evaluation.predictions import Shares

LUCK = 0.5  # of a constant answer: a bias is to one side or the other
MOST_CONSTANTS = 64  # that are tried: the commonest right answers


@dataclass(frozen=True)
class Guesser:
    """One way to guess n cases: some parts by a coin, some by a constant."""

    chances: Shares  # (n,) of being right, if the constants are
    blocks: Sequence[Truths]  # (n,) the cases that hang on the same constants
    others: Truths  # (n,) the cases that hang on none

    @property
    def luck(self) -> float:
        """How likely the constants are, taken as one: a bias may be the same for all parts."""
        return LUCK if self.blocks else 1.0

    def p_at_least(self, right: int) -> float:
        """How likely it is to have at least so many cases right; the blocks are independent."""
        found = _poisson_binomial(self.chances[self.others])  # of each number of cases
        for block in self.blocks:
            in_block = LUCK * _poisson_binomial(self.chances[block])
            in_block[0] += 1 - LUCK
            found = np.convolve(found, in_block)
        return min(1.0, float(found[right:].sum()))


def p_of_guessing(right: int, guesses: Guesses, known: Truths) -> float:
    """How likely it is to have at least so many of n cases right by guessing: the likeliest way.

    >>> ten = np.arange(10)[:, None]
    >>> alone = Guesses(ten >= 0, ten > 8, np.array([[0], [1]]))
    >>> p_of_guessing(10, alone, ten < 0), p_of_guessing(9, alone, ten < 0)
    (0.0009765625, 0.5)
    >>> p_of_guessing(10, alone, ten < 5)
    0.03125
    """
    return max(one.p_at_least(right) for one in guessers(guesses, known))


def guessers(guesses: Guesses, known: Truths) -> Iterator[Guesser]:
    """Every way to guess that is tried, given what baselines have right: `known` (n, parts).

    What is new and not known is guessed: by a coin, one of the values that occur, case by case; or
    by a constant, one answer in all cases, as a bias to 0 has a rule that is 0 in 31 of 32. Parts
    that are guessed together share what they can be: those that follow from each other are one
    guess. What was seen and isn't known is even odds. Constants are given to the parts first in
    which one is right most often, and are the best by hindsight, but lucky only once in two times.
    """
    for constants in _constants(guesses):
        by_constant = guesses.guessed & constants
        by_coin = guesses.guessed & ~known & ~constants
        chances = 1 / _options(guesses.values, by_coin)
        seen_only = ~(by_coin | by_constant).any(axis=1) & ~known.all(axis=1)
        chances[seen_only] = 0.5
        blocks = []
        for block, parts in _blocks(by_constant):
            answers = guesses.answers[block][:, parts]
            said = by_constant[block][:, parts]
            chances[block] = _with_best_constant(chances[block], said, answers)
            blocks.append(block)
        yield Guesser(chances, blocks, ~np.logical_or.reduce(by_constant, axis=1))


def _constants(guesses: Guesses) -> Iterator[Truths]:
    """Which parts (parts,) are guessed by a constant; none at first."""
    cases = guesses.guessed.sum(axis=0)
    counts = [_majority_count(guesses, part) for part in range(len(cases))]
    shares = np.array(counts) / np.maximum(cases, 1)
    yield np.zeros(len(cases), dtype=np.bool_)
    for share in np.unique(shares[cases > 0]):
        yield (cases > 0) & (shares >= share)


def _majority_count(guesses: Guesses, part: int) -> int:
    """In how many cases a part is right by the constant that is right most often."""
    answers = guesses.answers[guesses.guessed[:, part], part]
    return int(np.unique(answers, return_counts=True)[1].max(initial=0))


def _options(values: Integers, guessed: Truths) -> Integers:
    """(n,): how many values the parts that are guessed in a case have together, in all states."""
    first, which = distinct_rows(guessed)
    counts = [len(distinct_rows(values[:, parts])[0]) for parts in guessed[first]]
    return np.array(counts)[which]


def _blocks(guessed: Truths) -> Iterator[tuple[Truths, Truths]]:
    """Cases (n,) with the parts (parts,) guessed in them, so that no part is in two blocks."""
    from scipy.sparse.csgraph import connected_components

    together = guessed.T.astype(np.int64) @ guessed.astype(np.int64)
    label = connected_components(together, directed=False)[1]
    for number in np.unique(label[guessed.any(axis=0)]):
        parts: Truths = label == number
        yield np.logical_or.reduce(guessed & parts, axis=1), parts


def _with_best_constant(chances: Shares, guessed: Truths, answers: Integers) -> Shares:
    """(n,): the chance of each case, 0 where the constant that is right most often is wrong."""
    first, number = distinct_rows(answers)
    most_first = np.argsort(-np.bincount(number), kind="stable")
    commonest = answers[first[most_first[:MOST_CONSTANTS]]]
    found = [np.where((~guessed | (answers == one)).all(axis=1), chances, 0.0) for one in commonest]
    return max(found, key=lambda each: (each.sum(), *np.sort(each)))


def _poisson_binomial(chances: Shares) -> Shares:
    """How likely each number of cases is to be right, each case by its own chance.

    scipy's `poisson_binom` takes .9 s for 5,000 cases, and there may be hundreds of guessers; few
    chances are different, and as a product of binomials they take 2 ms.
    """
    from scipy.stats import binom

    found = np.ones(1)
    for chance, n in zip(*np.unique(chances, return_counts=True), strict=True):
        found = np.convolve(found, binom.pmf(np.arange(n + 1), n, chance))
    return found
