"""Multi-step questions: a number that is changed step by step."""

from __future__ import annotations

from the_experiment.worlds.generators import QUESTIONS, Generated, Random, below, one_of
from the_experiment.worlds.questions.question import check_length, generated

STEPS = (2, 6)
MOST = 99  # that is ever reached
DIGITS = 9
SAID = {"+": "Add {}.", "-": "Subtract {}.", "*": "Multiply by {}."}


@QUESTIONS.register("make_multi_step_question")
def make_multi_step_question(seq_len: int, rng: Random) -> Generated:
    """`seq_len` steps told one after the other, in one sum, or in names for what each gives.

    What is reached on the way is never below 0 or above 99. Nothing is multiplied in a sum, so
    that it can be read in one way only. Questions mean the same that have the same steps from the
    same number on. Raises `UsageError` for fewer than 2 or more than 6 steps.

    >>> import numpy as np
    >>> make_multi_step_question(2, np.random.RandomState(1))[:2]
    ('What is 7 + 3 + 1?', 11)
    """
    check_length(seq_len, *STEPS, "steps")
    template = one_of(rng, ("orders", "sum", "names"))
    operands, operations = _steps(seq_len, rng, "+-" if template == "sum" else "+-*")
    text = {"orders": _orders, "sum": _sum, "names": _names}[template](operands, operations)
    return generated("multi-step", template, text, operands, operations)


def _steps(count: int, rng: Random, operations: str) -> tuple[list[int], list[str]]:
    value = 1 + below(rng, DIGITS)
    operands = [value]
    chosen: list[str] = []
    while len(chosen) < count:
        operation, operand = one_of(rng, operations), 1 + below(rng, DIGITS)
        reached = {"+": value + operand, "-": value - operand, "*": value * operand}[operation]
        if 0 <= reached <= MOST and (operation, operand) != ("*", 1):
            value = reached
            operands.append(operand)
            chosen.append(operation)
    return operands, chosen


def _orders(operands: list[int], operations: list[str]) -> str:
    pairs = zip(operations, operands[1:], strict=True)
    told = " ".join(SAID[operation].format(operand) for operation, operand in pairs)
    return f"Start with {operands[0]}. {told} What is the result?"


def _sum(operands: list[int], operations: list[str]) -> str:
    pairs = zip(operations, operands[1:], strict=True)
    return f"What is {operands[0]}{''.join(f' {sign} {one}' for sign, one in pairs)}?"


def _names(operands: list[int], operations: list[str]) -> str:
    names = "abcdefg"[: len(operands)]
    told = [f"Let a = {operands[0]}."]
    for number, (operation, operand) in enumerate(zip(operations, operands[1:], strict=True)):
        told.append(f"Let {names[number + 1]} = {names[number]} {operation} {operand}.")
    return f"{' '.join(told)} What is {names[-1]}?"
