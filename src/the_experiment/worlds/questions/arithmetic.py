"""Arithmetic: one operation on two numbers, in signs or in words."""

from __future__ import annotations

from the_experiment.worlds.generators import QUESTIONS, Generated, Random, below, one_of
from the_experiment.worlds.questions.question import check_length, generated

MOST_DIGITS = 6
IN_WORDS = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
ASKED = ("What is {}?", "How much is {}?", "Compute {}.")


@QUESTIONS.register("make_arithmetic_question")
def make_arithmetic_question(seq_len: int, rng: Random) -> Generated:
    """A sum, a difference, a product or a quotient of numbers of at most `seq_len` digits.

    No answer is negative and every division comes out even; what is multiplied or divided by has
    one digit. Questions mean the same that ask for one operation on the same two numbers in one
    order. Raises `UsageError` for fewer than 1 or more than 6 digits.

    >>> import numpy as np
    >>> make_arithmetic_question(1, np.random.RandomState(0))[:2]
    ('How much is 7 times 6?', 42)
    """
    check_length(seq_len, 1, MOST_DIGITS, "digits")
    operation = one_of(rng, tuple(IN_WORDS))
    one, other = _operands(operation, 10**seq_len, rng)
    template = one_of(rng, ("signs", "words"))
    sign = operation if template == "signs" else IN_WORDS[operation]
    text = one_of(rng, ASKED).format(f"{one} {sign} {other}")
    return generated("arithmetic", template, text, [one, other], [operation])


def _operands(operation: str, end: int, rng: Random) -> tuple[int, int]:
    """Two numbers below `end` that the operation leads to a whole number above -1."""
    if operation == "/":
        by = 1 + below(rng, 9)
        return by * below(rng, -(-end // by)), by
    one, other = below(rng, end), below(rng, 10 if operation == "*" else end)
    return (max(one, other), min(one, other)) if operation == "-" else (one, other)
