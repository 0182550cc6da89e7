"""Generators: functions that draw a program or a question, with its right answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from the_experiment.base.registry import Registry

Answer = bool | int
# The text, its right answer, and what it is made of. A `meaning` there is one text for all that
# mean the same; without it those are programs up to the names of their variables, and questions
# with the same operands and operations.
Generated = tuple[str, Answer, dict[str, Any]]


class Random(Protocol):
    """What a generator draws from: `numpy.random.RandomState`, whose numbers never change."""

    def random(self) -> float:
        """A number from 0 up to but not including 1."""


# Called with the length of the text (lines, steps) and a source of random numbers; where it takes a
# third argument `num_hops`, also with the number of variables between the answer and its constant.
Generator = Callable[..., Generated]

PROGRAMS: Registry[Generator] = Registry(
    "program generator", "the_experiment.worlds.programs", "the_experiment.programs"
)
QUESTIONS: Registry[Generator] = Registry(
    "question generator", "the_experiment.worlds.questions", "the_experiment.questions"
)

Thing = TypeVar("Thing")


def takes_hops(generator: Generator) -> bool:
    """Whether a generator can be asked for a number of hops."""
    return "num_hops" in inspect.signature(generator).parameters


def below(rng: Random, bound: int) -> int:
    """A whole number from 0 up to but not including `bound`."""
    return int(rng.random() * bound)


def one_of(rng: Random, things: Sequence[Thing]) -> Thing:
    """One of these."""
    return things[below(rng, len(things))]


def shuffled(rng: Random, things: Sequence[Thing]) -> list[Thing]:
    """The same in another order (Fisher and Yates)."""
    order = list(things)
    for last in range(len(order) - 1, 0, -1):
        other = below(rng, last + 1)
        order[last], order[other] = order[other], order[last]
    return order
