"""Every generator of programs: right answers, enough different ones, and no shortcut to them."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter
from math import prod

import numpy as np
import pytest
from scipy.stats import chisquare

from in_cpython import in_cpython
from the_experiment.base.errors import UsageError
from the_experiment.worlds.generators import PROGRAMS, Generated
from the_experiment.worlds.programs.binding import make_variable_binding_program
from the_experiment.worlds.programs.drawing import LARGEST, SMALLEST
from the_experiment.worlds.programs.interpreter import answer_of, queried

DRAWS = 150
every_generator = pytest.mark.parametrize("name", PROGRAMS.names())


@functools.cache
def drawn(name: str, length: int, draws: int = DRAWS) -> list[Generated]:
    return [PROGRAMS[name](length, np.random.RandomState(seed)) for seed in range(draws)]


def test_the_generators_have_the_names_that_people_know() -> None:
    assert {
        "make_arithmetic_sequence",
        "make_boolean_program",
        "make_counter_program",
        "make_counterfactual_pair",
        "make_exception_program",
        "make_fibonacci_program",
        "make_integer_program",
        "make_range_program",
        "make_range_program_lines",
        "make_variable_binding_program",
        "make_variable_increments",
    } <= set(PROGRAMS.names())


@every_generator
def test_the_seed_decides(name: str) -> None:
    again = [PROGRAMS[name](3, np.random.RandomState(seed)) for seed in range(5)]
    assert again == drawn(name, 3)[:5]


@every_generator
@pytest.mark.parametrize("length", [3, 10])
def test_answers_are_the_interpreters_and_cpythons(name: str, length: int) -> None:
    for program, answer, metadata in drawn(name, length)[:40]:
        query = queried(program)
        assert query is not None, program
        variables, error = in_cpython(program)
        assert not error, program
        for value in (answer_of(program), variables[query]):
            assert (type(answer), answer) == (type(value), value), program
        assert SMALLEST <= answer <= LARGEST
        assert json.loads(json.dumps(metadata)) == metadata
        assert metadata["query"] == query


@every_generator
def test_there_are_enough_programs_and_no_one_answer_leads(name: str) -> None:
    for length in (5, 10):
        programs = drawn(name, length)
        assert len({program for program, _, _ in programs}) >= 0.9 * DRAWS
        answers = Counter(answer for _, answer, _ in programs)
        most = 0.6 if answers.keys() <= {True, False} else 0.25
        assert max(answers.values()) <= most * DRAWS, answers


@every_generator
def test_no_place_in_the_text_gives_the_answer_away(name: str) -> None:
    """Not the first constant or the last one, nor the lines that give the variable its value."""
    for place in (0, -1):
        right = on_line = 0
        for program, answer, _ in drawn(name, 10):
            right += constants(program)[place] == str(answer)
            on_line += str(answer) in constants(assignments(program)[place])
        assert right <= 0.7 * DRAWS
        assert on_line <= 0.7 * DRAWS


def constants(text: str) -> list[str]:
    return re.findall(r"\b(?:\d+|True|False)\b", text)


def assignments(program: str) -> list[str]:
    """The lines that give the variable asked for a value."""
    lines = program.splitlines()
    return [line for line in lines if re.match(rf"\s*{queried(program)}\s*[-+]?=", line)]


@every_generator
def test_longer_programs_do_more(name: str) -> None:
    def steps(length: int) -> int:
        lines: list[int] = []
        for program, _, _ in drawn(name, length, 10):
            in_cpython(program, lines)
        return len(lines)

    assert steps(3) < steps(6) < steps(12)


@every_generator
def test_a_length_is_drawn_or_refused(name: str) -> None:
    for length in (1, 20, 26, 30, 50, 100):
        try:
            programs = drawn(name, length, 2)
        except UsageError as error:
            refused = error
        else:
            assert all(SMALLEST <= answer <= LARGEST for _, answer, _ in programs)
            continue
        assert str(length) in refused.what
        assert "choose" in refused.hint
    for length in (0, -1, 10_000):
        with pytest.raises(UsageError, match=f"{length}|{length:,}"):
            drawn(name, length, 1)


def test_a_counterfactual_differs_in_one_digit_and_in_its_answer() -> None:
    for program, answer, metadata in drawn("make_counterfactual_pair", 6, 60):
        other = metadata["counterfactual"]
        assert answer_of(other) == metadata["counterfactual_answer"] != answer
        [new] = [two for one, two in zip(program, other, strict=True) if one != two]
        assert new not in program
        line = metadata["line"] - 1
        assert program.splitlines()[line] != other.splitlines()[line]


def test_half_of_the_exceptions_are_raised_and_metadata_says_which() -> None:
    raised = []
    for program, _, metadata in drawn("make_exception_program", 4, 60):
        lines: list[int] = []
        in_cpython(program, lines)
        heads = [place for place, text in enumerate(program.splitlines()) if "except" in text]
        caught = [head + 2 in lines for head in heads]  # the line below it, counted from 1
        assert caught == metadata["raised"]
        raised += caught
    assert 0.4 < np.mean(raised) < 0.6


def test_all_three_errors_and_all_four_parts_of_a_try_are_met() -> None:
    text = "\n".join(program for program, _, _ in drawn("make_exception_program", 3, 40))
    for part in (
        " // ",
        "raise ValueError",
        "except NameError",
        "except Exception",
        "else",
        "finally",
    ):
        assert part in text


# Variable binding: what is drawn is what drawing line by line and throwing away would give.


def sources(program: str) -> tuple[int | None, ...]:
    """For each line of a binding program, the line whose variable it reads, or None."""
    pairs = [line.split("=") for line in program.splitlines()[:-1]]
    lines = {name: place for place, (name, _) in enumerate(pairs)}
    assert len(lines) == len(pairs), "a name is given twice"
    return tuple(lines.get(value) for _, value in pairs)


def asked_line(program: str) -> int:
    return [line[0] for line in program.splitlines()[:-1]].index(queried(program) or "")


def hops(shape: tuple[int | None, ...], line: int) -> int:
    source = shape[line]
    return 0 if source is None else 1 + hops(shape, source)


def chances(lines: int, num_hops: int) -> dict[tuple[tuple[int | None, ...], int], float]:
    """Of every shape and line asked for: a digit with .5 below the first line, any line above."""
    every = itertools.product(*[(None, *range(line)) for line in range(lines)])
    weights = {
        (shape, line): prod(
            1 if not place else 0.5 if source is None else 0.5 / place
            for place, source in enumerate(shape)
        )
        for shape in every
        for line in range(lines)
        if hops(shape, line) == num_hops
    }
    return {key: weight / sum(weights.values()) for key, weight in weights.items()}


@pytest.mark.parametrize(("lines", "num_hops"), [(4, 0), (4, 1), (4, 2), (4, 3), (3, 1)])
def test_binding_programs_are_as_likely_as_by_rejection(lines: int, num_hops: int) -> None:
    rng = np.random.RandomState(lines * 10 + num_hops)
    expected = chances(lines, num_hops)
    draws = 2_000
    met: Counter[tuple[tuple[int | None, ...], int]] = Counter()
    for _ in range(draws):
        program, _, _ = make_variable_binding_program(lines, rng, num_hops)
        met[sources(program), asked_line(program)] += 1
    assert met.keys() <= expected.keys()
    counts = [met[key] for key in expected]
    if len(counts) > 1:
        assert chisquare(counts, [draws * chance for chance in expected.values()]).pvalue > 0.001


def test_the_first_line_is_the_answer_as_often_as_by_rejection() -> None:
    expected = sum(
        chance for (shape, line), chance in chances(6, 2).items() if root(shape, line) == 0
    )
    rng = np.random.RandomState(0)
    programs = [make_variable_binding_program(6, rng, 2) for _ in range(2_000)]
    first = sum(root(sources(program), asked_line(program)) == 0 for program, _, _ in programs)
    assert (
        chisquare([first, 2_000 - first], [2_000 * expected, 2_000 * (1 - expected)]).pvalue > 0.001
    )


def root(shape: tuple[int | None, ...], line: int) -> int:
    source = shape[line]
    return line if source is None else root(shape, source)


def test_binding_gives_each_digit_and_each_name() -> None:
    rng = np.random.RandomState(0)
    programs = [make_variable_binding_program(26, rng, 4) for _ in range(300)]
    digits = Counter(re.findall(r"\d", "".join(program for program, _, _ in programs)))
    assert chisquare([digits[str(digit)] for digit in range(10)]).pvalue > 0.001
    queries = Counter(metadata["query"] for _, _, metadata in programs)
    assert chisquare([queries[name] for name in "abcdefghijklmnopqrstuvwxyz"]).pvalue > 0.001


@pytest.mark.parametrize(("lines", "num_hops"), [(27, 1), (3, 3), (1, 1), (0, 0), (5, -1)])
def test_binding_refuses_what_cannot_be(lines: int, num_hops: int) -> None:
    with pytest.raises(UsageError, match="can't have a chain"):
        make_variable_binding_program(lines, np.random.RandomState(0), num_hops)
