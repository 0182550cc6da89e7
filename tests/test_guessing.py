"""How likely it is to have so many cases right by guessing: by hand, and laws over random cases."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson_binom

from the_experiment.data.cases import Guesses
from the_experiment.evaluation.guessing import Guesser, p_of_guessing

CASES, PARTS, STATES = 7, 3, 12
Rows = list[list[int]]


def rows(n: int, most: int = 1) -> st.SearchStrategy[Rows]:
    """n rows with a number for each part."""
    row = st.lists(st.integers(0, most), min_size=PARTS, max_size=PARTS)
    return st.lists(row, min_size=n, max_size=n)


def p_of(right: Rows, guessed: Rows, answers: Rows, others: Rows, known: Rows) -> float:
    """A case is right where all its parts are; each case is a state, and there are others."""
    every = np.array([*answers, *others])
    return p_of_guessing(
        int(np.array(right).all(axis=1).sum()),
        Guesses(np.array(guessed) == 1, every[: len(answers)], every),
        np.array(known) == 1,
    )


SETS = [rows(CASES), rows(CASES), rows(CASES, 2), rows(STATES - CASES, 2), rows(CASES)]


@settings(max_examples=150)
@given(*SETS, st.integers(0, CASES - 1))
def test_a_model_that_is_right_in_one_case_more_is_no_likelier_to_guess(
    right: Rows, guessed: Rows, answers: Rows, others: Rows, known: Rows, case: int
) -> None:
    better = [[1] * PARTS if number == case else row for number, row in enumerate(right)]
    less, more = (p_of(one, guessed, answers, others, known) for one in (right, better))
    assert 0 <= more <= less + 1e-12
    assert less <= 1


@settings(max_examples=150)
@given(*SETS, st.integers(0, CASES - 1), st.integers(0, PARTS - 1))
def test_a_baseline_that_knows_less_makes_no_model_likelier_to_guess(
    right: Rows, guessed: Rows, answers: Rows, others: Rows, known: Rows, case: int, part: int
) -> None:
    weaker = [[*row] for row in known]
    weaker[case][part] = 0
    less, more = (p_of(right, guessed, answers, others, one) for one in (weaker, known))
    assert less <= more + 1e-12


@settings(max_examples=40)
@given(*SETS, st.permutations(range(CASES)), st.permutations(range(PARTS)))
def test_the_order_of_cases_and_parts_does_not_matter(
    right: Rows,
    guessed: Rows,
    answers: Rows,
    others: Rows,
    known: Rows,
    cases: list[int],
    parts: list[int],
) -> None:
    found = p_of(right, guessed, answers, others, known)
    tables = (np.array(one)[:, parts] for one in (right, guessed, answers, others, known))
    moved = [one[cases] if len(one) == CASES else one for one in tables]
    assert p_of(*(one.tolist() for one in moved)) == pytest.approx(found)


@settings(max_examples=40)
@given(rows(CASES, 2), st.integers(1, CASES))
def test_one_part_by_hand(answers: Rows, right: int) -> None:
    """Every coin written out, and the best constant, which is lucky once in two times."""
    truth = [row[0] for row in answers]
    values = sorted({*truth})
    cases = [[1]] * right + [[0]] * (CASES - right)
    column = [[value] for value in truth]
    coins = [[*of] for of in product(values, repeat=CASES)]
    most = max(truth.count(value) for value in values)

    def share(ways: list[list[int]]) -> float:
        enough = (np.array(ways) == truth).sum(axis=1) >= right
        return float(enough.mean())

    found = p_of(cases, [[1]] * CASES, column, [], [[0]] * CASES)
    assert found == pytest.approx(max(share(coins), 0.5 * (most >= right)))


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=30))
def test_cases_of_different_chances_are_distributed_as_scipy_has_them(chances: list[float]) -> None:
    found = [Guesser(np.array(chances), [], np.array(chances) >= 0).p_at_least(n) for n in range(3)]
    assert found == pytest.approx(poisson_binom(chances).sf([-1, 0, 1]).tolist())


def test_what_baselines_know_is_not_guessed() -> None:
    """Eight cases of two parts: one is known in six of them, the other is a coin's."""
    both = [[1, 1]] * 8
    answers = [[number % 2, number // 2 % 2] for number in range(8)]
    assert p_of(both, both, answers, [], [[0, 0]] * 8) == pytest.approx(0.25**8)
    assert p_of(both, both, answers, [], [[1, 0]] * 8) == pytest.approx(0.5**8)
    known = [[1, 0]] * 6 + [[0, 0]] * 2
    assert p_of(both, both, answers, [], known) == pytest.approx(0.5**6 * 0.25**2)
    known = [[1, 1]] * 6 + [[0, 0]] * 2
    assert p_of(both, both, answers, [], known) == pytest.approx(0.25**2)


def test_parts_that_follow_from_each_other_are_one_guess() -> None:
    both = [[1, 1]] * 10
    answers = [[number % 2, 1 - number % 2] for number in range(10)]
    assert p_of(both, both, answers, [], [[0, 0]] * 10) == pytest.approx(0.5**10)


def test_nothing_right_is_no_surprise() -> None:
    assert p_of([[0]], [[1]], [[0]], [[1]], [[0]]) == 1.0
