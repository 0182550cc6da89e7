"""Root causes: where does it begin?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from the_experiment.worlds.causal.graphs import (
    ancestors,
    any_of,
    causes,
    drawn_edges,
    graph_of,
    in_causal_order,
    roots,
    shape,
    variables,
)
from the_experiment.worlds.causal.puzzle import PUZZLES, Draft, Edge, join_sorted
from the_experiment.worlds.causal.writing import arrows, capitalized, describe_edges, joined, lines
from the_experiment.worlds.generators import Random, one_of

LARGER = 5  # variables: from here on a graph has room for another root beside
ASKED = (
    "What is the root cause of {}?",
    "Which variable is the root cause of {}?",
    "Where does {} begin, at which variable that nothing causes?",
    "Go back from {} as far as you can. Which variable do you come to?",
)


@PUZZLES.register("root-cause")
class RootCause:
    """The one variable without a cause that leads to the one asked about, not as its only cause."""

    @staticmethod
    def draw(names: Sequence[str], rng: Random) -> Draft | None:
        """A graph, and a variable in it with one root cause and another cause."""
        edges = drawn_edges(names, rng)
        goals = [name for name in names if _settled(edges, name)]
        if not goals:
            return None
        goal = any_of(goals, rng)
        answer = join_sorted([name for name in ancestors(edges, goal) if name in roots(edges)])
        return Draft(
            question=f"{describe_edges(edges, rng)} {one_of(rng, ASKED).format(goal)}",
            answer=answer,
            think=lines(arrows(edges), f"Asked: the root cause of {goal}."),
            causality=lines(*_walk(edges, goal), f"So {answer} is the root cause of {goal}."),
            edges=tuple(edges),
            asks="variable",
            asked=(goal,),
            component=_component(edges, goal),
        )

    @staticmethod
    def solve(draft: Draft) -> str:
        """The ancestors without an incoming edge."""
        graph, found = graph_of(draft.edges), ancestors(draft.edges, draft.asked[0])
        return join_sorted([name for name in found if graph.in_degree(name) == 0])


def _settled(edges: Sequence[Edge], goal: str) -> bool:
    """Whether it has one root cause and another cause; in a larger graph, not the only root."""
    before, beginnings = ancestors(edges, goal), {*roots(edges)}
    alone = len(beginnings) == 1 and len(variables(edges)) >= LARGER
    return len(before) > 1 and len(before & beginnings) == 1 and not alone


def _component(edges: Sequence[Edge], goal: str) -> str:
    """The shape of the edges among the variable and its ancestors; nothing else matters."""
    before = {goal, *ancestors(edges, goal)}
    return f"root-cause {shape(edge for edge in edges if {*edge} <= before)}"


def _walk(edges: Sequence[Edge], goal: str) -> Iterator[str]:
    """The causes of the variable, then theirs, and so on back to what nothing causes."""
    before = {goal, *ancestors(edges, goal)}
    for name in reversed(in_causal_order(edges)):
        if name in before:
            by = joined(causes(edges, name))
            yield capitalized(f"{name} is caused by {by or 'nothing'}.")
