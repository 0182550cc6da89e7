"""One variable that changes step by step: in a loop, or line by line."""

from __future__ import annotations

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
    refuse_length(seq_len, LONGEST)

    def draw() -> Generated:
        (name,), start, increment = names(rng, 1), below(rng, STARTS), step(rng)
        loop = [f"for {COUNTER} in range({seq_len}):", *indented(changed(name, increment))]
        return asked([f"{name} = {start}", *loop], name, start=start, increment=increment)

    return with_small_answer(draw)


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
    refuse_length(seq_len, LONGEST)

    def draw() -> Generated:
        (name,), start, increment = names(rng, 1), below(rng, STARTS), step(rng)
        lines = [f"{name} = {start}", *[changed(name, increment)] * seq_len]
        return asked(lines, name, start=start, increment=increment)

    return with_small_answer(draw)


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
    refuse_length(seq_len, LONGEST)

    def draw() -> Generated:
        (name,), start = names(rng, 1), below(rng, STARTS)
        increments = [step(rng) for _ in range(seq_len)]
        lines = [f"{name} = {start}", *(changed(name, increment) for increment in increments)]
        return asked(lines, name, start=start, increments=increments)

    return with_small_answer(draw)
