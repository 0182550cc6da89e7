"""Variable binding: chains of assignments, and a question about the variable at the end of one.

Wu, Geiger and Millière, "How Do Transformers Learn Variable Binding in Symbolic Programs?",
ICML 2025 (arXiv 2505.20896).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import accumulate
from string import ascii_lowercase

from the_experiment.base.errors import UsageError
from the_experiment.base.words import counted
from the_experiment.worlds.generators import PROGRAMS, Generated, Random, below, shuffled

CONSTANTS = 10  # the digits
CONSTANT = 0.5  # the chance that a line below the first has a digit, not a variable above it


@PROGRAMS.register("make_variable_binding_program")
def make_variable_binding_program(seq_len: int, rng: Random, num_hops: int = 1) -> Generated:
    """`seq_len` assignments of a digit, or of a variable above, each to a new name; then a query.

    The variable asked for is `num_hops` references away from its digit; the lines beside that chain
    make chains of their own. Programs are as likely as if all were drawn line by line and those
    with another number of hops thrown away. Raises `UsageError` for more lines than there are
    names, as a name given twice would have two values, and for fewer than the chain needs.

    >>> import numpy as np
    >>> program, expected, metadata = make_variable_binding_program(4, np.random.RandomState(1), 2)
    >>> program, expected, metadata["chain"]
    ('u=8\\nm=u\\nr=m\\np=9\\n#r:', 8, ['u', 'm', 'r'])
    """
    return _program(seq_len, rng, num_hops, lambda: shuffled(rng, ascii_lowercase))


@PROGRAMS.register("make_ordered_binding_program")
def make_ordered_binding_program(seq_len: int, rng: Random, num_hops: int = 1) -> Generated:
    """The same with the names a, b, c, … in this order, so that a name tells its line.

    A small model learns to follow these references in minutes; where names are drawn, it has to
    learn first which of them stands where, and takes far longer. Raises `UsageError` as the other.

    >>> import numpy as np
    >>> make_ordered_binding_program(4, np.random.RandomState(1), 2)[0]
    'a=1\\nb=a\\nc=b\\nd=3\\n#c:'
    """
    return _program(seq_len, rng, num_hops, lambda: ascii_lowercase)


def _program(
    seq_len: int, rng: Random, num_hops: int, alphabet: Callable[[], Sequence[str]]
) -> Generated:
    """A program whose lines give values to the first of these names, and its query."""
    if not 0 <= num_hops < seq_len <= len(ascii_lowercase):
        wanted = f"a chain of {counted(num_hops, 'hop')}"
        raise UsageError(
            f"a program of {counted(seq_len, 'line')} can't have {wanted}",
            f"choose {num_hops + 1} to {len(ascii_lowercase)} lines: each has a name of its own",
        )
    chain = _chain(seq_len, rng, num_hops)
    sources = [
        _source(rng, line) if line not in chain[1:] else chain[chain.index(line) - 1]
        for line in range(seq_len)
    ]
    sources[chain[0]] = None
    names = alphabet()[:seq_len]
    digits = [below(rng, CONSTANTS) for _ in range(seq_len)]
    lines = [
        f"{name}={digit if source is None else names[source]}"
        for name, digit, source in zip(names, digits, sources, strict=True)
    ]
    query = names[chain[-1]]
    metadata = {"num_hops": num_hops, "chain": [names[line] for line in chain], "query": query}
    return "\n".join([*lines, f"#{query}:"]), digits[chain[0]], metadata


def _source(rng: Random, line: int) -> int | None:
    """The line whose variable this line reads; None where it has a digit."""
    return None if line == 0 or rng.random() < CONSTANT else below(rng, line)


def _chain(lines: int, rng: Random, hops: int) -> list[int]:
    """The lines from a digit to a variable so many references away, as often as they come so."""
    chances = _chances(lines, hops)
    chain = [_drawn(rng, chances[hops])]
    for left in range(hops - 1, -1, -1):
        chain.insert(0, _drawn(rng, chances[left][: chain[0]]))
    return chain


@functools.cache
def _chances(lines: int, hops: int) -> list[list[float]]:
    """By number of hops, by line: how likely a line is so far away from its digit."""
    table = [[1.0] + [CONSTANT] * (lines - 1)]
    for _ in range(hops):
        before = [0.0, *accumulate(table[-1])]
        table.append(
            [(1 - CONSTANT) * before[line] / line if line else 0.0 for line in range(lines)]
        )
    return table


def _drawn(rng: Random, weights: Sequence[float]) -> int:
    point = rng.random() * sum(weights)
    return next(place for place, reached in enumerate(accumulate(weights)) if reached > point)
