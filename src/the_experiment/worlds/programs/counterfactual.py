"""Pairs of programs that differ in one digit, and in their answers."""

from __future__ import annotations

import re
from string import digits

from the_experiment.worlds.generators import PROGRAMS, Generated, Random, one_of
from the_experiment.worlds.programs.drawing import LARGEST, SMALLEST
from the_experiment.worlds.programs.interpreter import answer_of
from the_experiment.worlds.programs.tracking import make_integer_program


@PROGRAMS.register("make_counterfactual_pair")
def make_counterfactual_pair(seq_len: int, rng: Random) -> Generated:
    """A program of integers; `metadata` has another that diverges from it at one digit.

    The new digit is nowhere else in the program, so that it can't be copied from there. The other
    text is `counterfactual`, its answer `counterfactual_answer`, the line of the digit (from 1)
    `line`. Both are as long as each other. Raises `UsageError` for lengths beyond 1 to 50.

    >>> import numpy as np
    >>> program, expected, metadata = make_counterfactual_pair(2, np.random.RandomState(0))
    >>> print(program, expected)
    z = 8
    r = 1
    j = 8
    z = z + 6
    j = r + j
    #z: 14
    >>> print(metadata["counterfactual"], metadata["counterfactual_answer"])
    z = 5
    r = 1
    j = 8
    z = z + 6
    j = r + j
    #z: 11
    """
    while True:
        program, answer, metadata = make_integer_program(seq_len, rng)
        absent = [digit for digit in digits if digit not in program]
        if not absent:
            continue
        place = one_of(rng, [digit.start() for digit in re.finditer(r"\d", program)])
        other = f"{program[:place]}{one_of(rng, absent)}{program[place + 1 :]}"
        other_answer = answer_of(other)
        if other_answer != answer and SMALLEST <= other_answer <= LARGEST:
            metadata["counterfactual"] = other
            metadata["counterfactual_answer"] = other_answer
            metadata["line"] = program.count("\n", 0, place) + 1
            return program, answer, metadata
