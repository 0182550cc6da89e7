"""What the generators of programs share: names, small numbers, and the answer from running it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_lowercase
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.worlds.generators import Generated, Random, below, one_of, shuffled
from the_experiment.worlds.programs.interpreter import answer_of

COUNTER = "i"  # of loops
NAMES = ascii_lowercase.replace(COUNTER, "")
SMALLEST, LARGEST = -99, 999  # answers are kept within: models write few digits well


def names(rng: Random, count: int) -> list[str]:
    """So many different names of variables."""
    return shuffled(rng, NAMES)[:count]


def step(rng: Random) -> int:
    """A number from 1 to 9 to go up or down by."""
    return one_of(rng, (-1, 1)) * (1 + below(rng, 9))


def changed(name: str, by: int) -> str:
    """The line that changes a variable by a number.

    >>> changed("x", 3), changed("x", -3)
    ('x += 3', 'x -= 3')
    """
    return f"{name} {'-' if by < 0 else '+'}= {abs(by)}"


def indented(*lines: str) -> list[str]:
    """Lines of a loop's body."""
    return [f"    {line}" for line in lines]


def asked(lines: Sequence[str], query: str, **metadata: Any) -> Generated:
    """A program that ends by asking for a variable, and its answer."""
    program = "\n".join([*lines, f"#{query}:"])
    return program, answer_of(program), {"query": query, **metadata}


def with_small_answer(draw: Callable[[], Generated]) -> Generated:
    """Draw until the answer is small enough."""
    while True:
        generated = draw()
        if SMALLEST <= generated[1] <= LARGEST:
            return generated


def refuse_length(seq_len: int, longest: int) -> None:
    """Raise `UsageError` for a length that programs of a kind can't have."""
    if not 1 <= seq_len <= longest:
        raise UsageError(
            f"a program of this kind can't have length {seq_len}",
            f"choose 1 to {longest}: longer ones don't keep their numbers small",
        )
