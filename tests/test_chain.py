"""The chain of a program, and where it stands: laws that hold for every drawn program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from the_experiment.base.errors import UsageError
from the_experiment.worlds.programs.binding import make_variable_binding_program
from the_experiment.worlds.programs.chain import (
    another_constant,
    chain_of,
    spans_of,
    with_constant,
)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[str, int, list[str]]:
    """A program, its answer and its chain."""
    hops = draw(st.integers(0, 4))
    lines = draw(st.integers(hops + 1, 8))
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    program, answer, metadata = make_variable_binding_program(lines, rng, hops)
    return program, int(answer), metadata["chain"]


def ran(program: str) -> int:
    """What a program of assignments gives the variable that it asks for, line by line."""
    *lines, query = program.splitlines()
    values: dict[str, int] = {}
    for name, right in (line.split("=") for line in lines):
        values[name] = int(right) if right.isdigit() else values[right]
    return values[query[1:-1]]


@given(drawn())
def test_the_chain_of_a_drawn_program_is_the_one_it_was_drawn_with(
    one: tuple[str, int, list[str]],
) -> None:
    program, answer, chain = one
    assert chain_of(program) == tuple(chain)
    spans = spans_of(program)
    depths = [f"depth {depth}" for depth in range(1, len(chain) + 1)]
    assert list(spans) == [*depths, "query", ":"]
    assert [program[spans[depth].start : spans[depth].end] for depth in depths] == [
        str(answer),
        *chain[:-1],
    ]
    assert program[spans["query"].start :] == f"{chain[-1]}:"
    assert program[spans[":"].start : spans[":"].end] == ":"
    assert {span.value for span in spans.values()} == {answer}


@given(drawn(), st.integers(0, 9))
def test_another_constant_changes_the_answer_and_nothing_else(
    one: tuple[str, int, list[str]], value: int
) -> None:
    program, answer, _ = one
    changed = with_constant(program, value)
    assert ran(program) == answer
    assert ran(changed) == value
    assert spans_of(changed).keys() == spans_of(program).keys()
    assert [a for a, b in zip(program, changed, strict=True) if a != b] == [str(answer)] * (
        value != answer
    )


@given(drawn(), st.integers(0, 2**32 - 1))
def test_another_constant_occurs_nowhere_in_the_program(
    one: tuple[str, int, list[str]], seed: int
) -> None:
    program, *_ = one
    value = another_constant(program, np.random.RandomState(seed))
    assert str(value) not in program
    assert 0 <= value <= 9


def test_ones_own_program_has_spans_with_values() -> None:
    program = "x = 5\nz = 1\n\n# the double\ny = x * 2\nx = 4\n#y:\n"
    spans = spans_of(program)
    assert chain_of(program) == ("x", "y")
    found = {name: (program[span.start : span.end], span.value) for name, span in spans.items()}
    assert found == {
        "depth 1": ("5", 5),
        "depth 2": ("x * 2", 10),
        "query": ("y", 10),
        ":": (":", 10),
    }
    assert with_constant(program, 13) == program.replace("5", "13")
    assert "query" not in spans_of("x=5\ny=x\n")  # asked for is the one assigned last
    assert 10 <= another_constant("x=12\ny=x", np.random.RandomState(0)) <= 99


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "assigns nothing"),
        ("for i in range(3):\n    x = i\n#x:", "not an assignment"),
        ("x=1\ny=2\nz=x+y\n#z:", "several variables"),
        ("y=x\nx=1\n#y:", "no line above gives x"),
        ("x=1\n#y:", "no line above gives y"),
        ("x=1+2\n#x:", "not one number"),
        ("x=1==1\n#x:", "not one number"),
    ],
)
def test_where_there_is_no_chain_it_says_why(program: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chain_of(program)


def test_a_program_with_every_digit_has_no_other_constant() -> None:
    program = "\n".join(f"{name}={digit}" for digit, name in enumerate("abcdefghij")) + "\n#a:"
    with pytest.raises(UsageError, match="every other constant"):
        another_constant(program, np.random.RandomState(0))
