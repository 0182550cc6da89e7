"""Confounding: does something cause both, and not only the one through the other?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from the_experiment.worlds.causal.graphs import (
    ancestors,
    directed_paths,
    drawn_edges,
    in_causal_order,
    without,
)
from the_experiment.worlds.causal.puzzle import PUZZLES, YES_NO, Asks, Draft, Edge, join_sorted
from the_experiment.worlds.causal.writing import along, arrows, describe_edges, joined, lines
from the_experiment.worlds.generators import Random, one_of, shuffled

MEANING = (
    "A variable confounds {cause} and {effect} if it causes {cause}, directly or not, and causes "
    "{effect} on a way that does not go through {cause}."
)
WHETHER = (
    "Is the effect of {cause} on {effect} confounded?",
    "Does any variable confound {cause} and {effect}?",
)
WHICH = (
    "Which variables confound {cause} and {effect}?",
    "Name every variable that confounds {cause} and {effect}.",
)
FORMS: tuple[Asks, ...] = ("yes-no", "yes-no", "variables")  # half of the first are not wanted


@PUZZLES.register("confounding")
class Confounding:
    """Two variables, the second no cause of the first, and what causes both of them."""

    @staticmethod
    def draw(names: Sequence[str], rng: Random) -> Draft | None:
        """A graph and two variables, of which the first has a cause."""
        edges = drawn_edges(names, rng)
        cause, effect = shuffled(rng, names)[:2]
        before = ancestors(edges, cause)
        if effect in before or not before:
            return None
        found = [name for name in before if _around(edges, name, cause, effect)]
        asks = one_of(rng, FORMS)
        answer = join_sorted(found) if asks == "variables" else YES_NO[bool(found)]
        wording = f"{MEANING} {one_of(rng, WHICH if asks == 'variables' else WHETHER)}"
        question = wording.format(cause=cause, effect=effect)
        return Draft(
            question=f"{describe_edges(edges, rng)} {question}",
            answer=answer,
            think=lines(arrows(edges), f"Asked: what confounds {cause} and {effect}."),
            causality=lines(
                *_told(edges, cause, effect), f"What confounds them: {join_sorted(found)}."
            ),
            edges=tuple(edges),
            asks=asks,
            asked=(cause, effect),
        )

    @staticmethod
    def solve(draft: Draft) -> str:
        """What causes the first, and the second also where the first is taken out of the graph."""
        cause, effect = draft.asked
        rest = without(draft.edges, cause)
        left = ancestors(rest, effect) if any(effect in edge for edge in rest) else set()
        found = sorted(ancestors(draft.edges, cause) & left)
        return join_sorted(found) if draft.asks == "variables" else YES_NO[bool(found)]


def _around(edges: Sequence[Edge], name: str, cause: str, effect: str) -> list[str]:
    """The shortest way from a variable to the effect that does not go through the cause."""
    ways = (way for way in directed_paths(edges, name, effect) if cause not in way)
    return next(ways, [])


def _told(edges: Sequence[Edge], cause: str, effect: str) -> Iterator[str]:
    """Each cause of the first variable, its way there, and its way to the second, if any."""
    found = ancestors(edges, cause)
    before = [name for name in in_causal_order(edges) if name in found]
    yield f"What causes {cause}: {joined(before)}."
    for name in before:
        there = along(edges, directed_paths(edges, name, cause)[0])
        around = along(edges, _around(edges, name, cause, effect))
        yield f"{there}; {around or f'no way to {effect} around {cause}'}."
