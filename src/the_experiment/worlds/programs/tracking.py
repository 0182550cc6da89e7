"""Several variables that are computed from each other, line by line; one of them is asked for."""

from __future__ import annotations

from the_experiment.worlds.generators import (
    PROGRAMS,
    Answer,
    Generated,
    Random,
    below,
    one_of,
    shuffled,
)
from the_experiment.worlds.programs.drawing import LARGEST, SMALLEST, asked, names, refuse_length
from the_experiment.worlds.programs.interpreter import variables_of

VARIABLES = 3
LONGEST = 50


@PROGRAMS.register("make_boolean_program")
def make_boolean_program(seq_len: int, rng: Random) -> Generated:
    """Three truth values, then `seq_len` lines of not, and, or; asks for one that they changed.

    True and False are the answer equally often. Raises `UsageError` for lengths beyond 1 to 50.

    >>> import numpy as np
    >>> program, expected, metadata = make_boolean_program(3, np.random.RandomState(0))
    >>> print(program, expected)
    e = False
    w = True
    c = False
    w = not w
    w = not c and w
    e = not e and c
    #e: False
    """
    refuse_length(seq_len, LONGEST)
    wanted = one_of(rng, (True, False))
    while True:
        variables = names(rng, VARIABLES)
        lines = [f"{name} = {one_of(rng, (True, False))}" for name in variables]
        targets = [one_of(rng, variables) for _ in range(seq_len)]
        lines += [f"{target} = {_condition(rng, variables)}" for target in targets]
        values = variables_of("\n".join(lines))
        queries = [name for name in variables if name in targets and values[name] is wanted]
        if queries:
            return asked(lines, one_of(rng, queries))


@PROGRAMS.register("make_integer_program")
def make_integer_program(seq_len: int, rng: Random) -> Generated:
    """Three digits, then `seq_len` lines of + - *; asks for a variable that they changed.

    The digits are 1 to 9, and no value on the way is beyond -99 to 999. Raises `UsageError` for
    lengths beyond 1 to 50.

    >>> import numpy as np
    >>> program, expected, metadata = make_integer_program(3, np.random.RandomState(0))
    >>> print(program, expected)
    t = 2
    c = 6
    b = 2
    b = b + 5
    c = t * 6
    c = b * t
    #c: 14
    """
    refuse_length(seq_len, LONGEST)
    variables = names(rng, VARIABLES)
    values: dict[str, Answer] = {name: 1 + below(rng, 9) for name in variables}
    lines = [f"{name} = {value}" for name, value in values.items()]
    targets = [one_of(rng, variables) for _ in range(seq_len)]
    for target in targets:
        line, values = _small_line(rng, target, values)
        lines.append(line)
    return asked(lines, one_of(rng, sorted(set(targets))))


def _condition(rng: Random, variables: list[str]) -> str:
    """Such as `not a`, `a and b`, `not b or a`."""
    first, second = shuffled(rng, variables)[:2]
    kind = one_of(
        rng, ("{0} and {1}", "{0} or {1}", "not {0}", "not {0} and {1}", "{0} or not {1}")
    )
    return kind.format(first, second)


def _small_line(
    rng: Random, target: str, values: dict[str, Answer]
) -> tuple[str, dict[str, Answer]]:
    """A line that gives `target` a small number, and the values behind it."""
    known = [f"{name} = {value}" for name, value in values.items()]
    while True:
        first, second, _ = shuffled(rng, list(values))
        operand = one_of(rng, (second, str(2 + below(rng, 8))))
        line = f"{target} = {first} {one_of(rng, '+-*')} {operand}"
        after = variables_of("\n".join([*known, line]))
        if SMALLEST <= after[target] <= LARGEST:
            return line, after
