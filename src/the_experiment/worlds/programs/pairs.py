"""Programs beside their counterfactuals: the same with another constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.worlds.generators import Generator
from the_experiment.worlds.programs.binding import make_variable_binding_program
from the_experiment.worlds.programs.chain import another_constant, chain_of, with_constant
from the_experiment.worlds.programs.interpreter import answer_of


@dataclass(frozen=True)
class ProgramPair:
    """A program, the same one with another constant, and what each of them gives."""

    program: str
    counterfactual: str
    answer: int
    other_answer: int
    rng_seed: int | None = None  # that it was drawn with

    @property
    def hops(self) -> int:
        """How many references lie between the answer and its constant."""
        return len(chain_of(self.program)) - 1


def counterfactual_pair(program: str, constant: int, rng_seed: int | None = None) -> ProgramPair:
    """A program beside the one with this constant.

    Raises `UsageError` where there is no chain, or both give the same answer.

    >>> counterfactual_pair("x=5\\ny=x * 2\\n#y:", 3).other_answer
    6
    """
    other = with_constant(program, constant)
    pair = ProgramPair(program, other, answer_of(program), answer_of(other), rng_seed)
    if pair.answer == pair.other_answer:
        raise UsageError(
            f"with {constant} in place of its constant this program gives {pair.answer}, as before",
            "choose another constant",
        )
    return pair


def drawn_pair(
    lines: int, hops: int, rng_seed: int, generator: Generator = make_variable_binding_program
) -> ProgramPair | None:
    """The program of this seed with a constant that it doesn't have; None where it has all."""
    rng = np.random.RandomState(rng_seed)
    program, *_ = generator(lines, rng, hops)
    try:
        return counterfactual_pair(program, another_constant(program, rng), rng_seed)
    except UsageError:
        return None
