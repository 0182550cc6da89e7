"""One variable that changes step by step: in a loop, or line by line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from the_experiment.worlds.generators import PROGRAMS, Generated, Random, below
from the_experiment.worlds.programs.drawing import (
    COUNTER,
    asked,
    changed,
    indented,
    names,
    refuse_length,
    step,
    with_small_answer,
)

STARTS = 100  # starts are 0 to 99
LONGEST = 100

Changes = tuple[list[str], dict[str, Any]]  # lines, and what they are made of


@PROGRAMS.register("make_range_program")
def make_range_program(seq_len: int, rng: Random) -> Generated:
    """A loop of `seq_len` rounds, each with the same increment.

    Raises `UsageError` for lengths beyond 1 to 100.

    >>> import numpy as np
    >>> program, expected, metadata = make_range_program(4, np.random.RandomState(0))
    >>> print(program, expected)
    t = 11
    for i in range(4):
        t += 2
    #t: 19
    """

    def loop(name: str) -> Changes:
        increment = step(rng)
        lines = [f"for {COUNTER} in range({seq_len}):", *indented(changed(name, increment))]
        return lines, {"increment": increment}

    return _from_a_start(seq_len, rng, loop)


@PROGRAMS.register("make_range_program_lines")
def make_range_program_lines(seq_len: int, rng: Random) -> Generated:
    """The same without a loop: `seq_len` lines, each with the same increment.

    Raises `UsageError` for lengths beyond 1 to 100.

    >>> import numpy as np
    >>> program, expected, metadata = make_range_program_lines(2, np.random.RandomState(0))
    >>> print(program, expected)
    t = 11
    t += 2
    t += 2
    #t: 15
    """

    def same_lines(name: str) -> Changes:
        increment = step(rng)
        return [changed(name, increment)] * seq_len, {"increment": increment}

    return _from_a_start(seq_len, rng, same_lines)


@PROGRAMS.register("make_variable_increments")
def make_variable_increments(seq_len: int, rng: Random) -> Generated:
    """`seq_len` lines, each with an increment of its own.

    Raises `UsageError` for lengths beyond 1 to 100.

    >>> import numpy as np
    >>> program, expected, metadata = make_variable_increments(3, np.random.RandomState(0))
    >>> print(program, expected)
    t = 11
    t += 2
    t += 5
    t -= 3
    #t: 15
    """

    def other_lines(name: str) -> Changes:
        increments = [step(rng) for _ in range(seq_len)]
        return [changed(name, one) for one in increments], {"increments": increments}

    return _from_a_start(seq_len, rng, other_lines)


def _from_a_start(seq_len: int, rng: Random, changes: Callable[[str], Changes]) -> Generated:
    """A variable with a number, then the lines that change it."""
    refuse_length(seq_len, LONGEST)

    def draw() -> Generated:
        (name,), start = names(rng, 1), below(rng, STARTS)
        lines, about = changes(name)
        return asked([f"{name} = {start}", *lines], name, start=start, **about)

    return with_small_answer(draw)
