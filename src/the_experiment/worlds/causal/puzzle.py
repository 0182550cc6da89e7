"""A puzzle about causes: a question about a graph, its one right answer, and the way there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from the_experiment.base.registry import Registry
from the_experiment.base.strict import Strict
from the_experiment.worlds.generators import Random

Edge = tuple[str, str]  # cause and effect
Naming = Literal["letters", "words", "nonsense"]
Asks = Literal["yes-no", "variable", "variables", "number"]  # the form of the answer
Rule = Literal["all", "any", "not"]  # of its causes, or not its one cause

YES_NO = ("no", "yes")
NONE = "none"


class Structure(Strict):
    """How each variable follows from its causes, what is known, and what is changed."""

    rules: dict[str, Rule]  # of every variable that has a cause
    known: dict[str, bool]  # whether these occur, as told
    forced: bool  # what becomes of the first variable that is asked about


class Draft(BaseModel):
    """What a kind of puzzle draws: everything but the name of the kind and what is counted."""

    model_config = ConfigDict(frozen=True)  # a row of a file may tell more

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    think: str
    causality: str
    edges: tuple[Edge, ...] = Field(min_length=1)  # in the order they are told
    asks: Asks
    asked: tuple[str, ...]  # the variables that the question is about
    given: tuple[str, ...] = ()  # those that are held fixed
    links: int = 0  # between the variable asked about and the one to be found
    component: str = ""  # what alone decides the answer, if not all: the same for all its like
    structure: Structure | None = None


class Puzzle(Draft):
    """A question about a causal graph, its right answer, and the derivation of it in words.

    `edges` and what follows them tell all that the answer depends on, `solved` recomputes it from
    there. `graph` is a hash of the graph's shape, the same whatever the variables are called.
    Questions that share their `component` have one answer, up to names.
    """

    kind: str
    graph: str
    naming: Naming
    size: int  # variables

    @property
    def shapes(self) -> set[str]:
        """What no puzzle that is held out may share with one that is seen."""
        return {self.graph, self.component} - {""}


class PuzzleKind(Protocol):
    """One kind of puzzle: how it is drawn, and how its answer is found without the derivation."""

    @staticmethod
    def draw(names: Sequence[str], rng: Random) -> Draft | None:
        """A puzzle in which all these variables occur; None where this graph has none."""

    @staticmethod
    def solve(draft: Draft) -> str:
        """The answer, from `edges`, `asked`, `given`, `links` and `structure` alone."""


PUZZLES: Registry[type[PuzzleKind]] = Registry(
    "kind of causal puzzle", "the_experiment.worlds.causal", "the_experiment.causal"
)


def solved(puzzle: Puzzle) -> str:
    """The answer recomputed from the edges. Raises `UsageError` for an unknown kind."""
    return PUZZLES[puzzle.kind].solve(puzzle)


def join_sorted(names: Sequence[str]) -> str:
    """An answer of several variables, or of none.

    >>> join_sorted(["W", "B"]), join_sorted([])
    ('B, W', 'none')
    """
    return ", ".join(sorted(names)) or NONE
