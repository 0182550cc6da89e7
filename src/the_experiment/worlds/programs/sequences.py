"""Loops over several variables: sequences and counts."""

from __future__ import annotations

from the_experiment.worlds.generators import PROGRAMS, Generated, Random, below, one_of
from the_experiment.worlds.programs.drawing import (
    COUNTER,
    asked,
    indented,
    names,
    refuse_length,
    step,
    with_small_answer,
)

LONGEST_SUM = 30  # terms
LONGEST_FIBONACCI = 12
LONGEST_COUNT = 100


@PROGRAMS.register("make_arithmetic_sequence")
def make_arithmetic_sequence(seq_len: int, rng: Random) -> Generated:
    """An arithmetic progression and the sum of its first `seq_len` terms; asks for either.

    Raises `UsageError` for lengths beyond 1 to 30.

    >>> import numpy as np
    >>> program, expected, metadata = make_arithmetic_sequence(4, np.random.RandomState(0))
    >>> print(program, expected)
    t = 2
    c = 2
    b = 0
    for i in range(4):
        b += t
        t += c
    #b: 20
    """
    refuse_length(seq_len, LONGEST_SUM)

    def draw() -> Generated:
        term, difference, total = names(rng, 3)
        first, by = below(rng, 20), step(rng)
        lines = [f"{term} = {first}", f"{difference} = {by}", f"{total} = 0"]
        loop = [f"{total} += {term}", f"{term} += {difference}"]
        lines += [f"for {COUNTER} in range({seq_len}):", *indented(*loop)]
        return asked(lines, one_of(rng, (term, total)), first=first, difference=by)

    return with_small_answer(draw)


@PROGRAMS.register("make_counter_program")
def make_counter_program(seq_len: int, rng: Random) -> Generated:
    """Two counters: of the numbers in a range with a remainder, and of the others; asks for either.

    The range has `seq_len` numbers. Raises `UsageError` for lengths beyond 1 to 100.

    >>> import numpy as np
    >>> program, expected, metadata = make_counter_program(7, np.random.RandomState(0))
    >>> print(program, expected)
    t = 9
    c = 5
    for i in range(1, 8):
        if i % 4 == 0:
            t += 1
        else:
            c += 1
    #t: 10
    """
    refuse_length(seq_len, LONGEST_COUNT)
    counted, others = names(rng, 2)
    first, divisor = below(rng, 10), 2 + below(rng, 4)
    remainder = below(rng, divisor)
    lines = [f"{name} = {below(rng, 10)}" for name in (counted, others)]
    lines += [f"for {COUNTER} in range({first}, {first + seq_len}):"]
    lines += indented(f"if {COUNTER} % {divisor} == {remainder}:", *indented(f"{counted} += 1"))
    lines += indented("else:", *indented(f"{others} += 1"))
    return asked(lines, one_of(rng, (counted, others)), divisor=divisor, remainder=remainder)


@PROGRAMS.register("make_fibonacci_program")
def make_fibonacci_program(seq_len: int, rng: Random) -> Generated:
    """`seq_len` steps of a sequence in which each term is the sum of the two before.

    Asks for the last term or for the one before it. Raises `UsageError` for lengths beyond 1 to 12.

    >>> import numpy as np
    >>> program, expected, metadata = make_fibonacci_program(5, np.random.RandomState(0))
    >>> print(program, expected)
    t = 1
    c = 6
    for i in range(5):
        b = t + c
        t = c
        c = b
    #t: 33
    """
    refuse_length(seq_len, LONGEST_FIBONACCI)

    def draw() -> Generated:
        before, last, following = names(rng, 3)
        starts = [below(rng, 10), below(rng, 10)]
        lines = [f"{before} = {starts[0]}", f"{last} = {starts[1]}"]
        loop = [f"{following} = {before} + {last}", f"{before} = {last}", f"{last} = {following}"]
        lines += [f"for {COUNTER} in range({seq_len}):", *indented(*loop)]
        return asked(lines, one_of(rng, (before, last)), starts=starts)

    return with_small_answer(draw)
