"""Chains told in shuffled order: how far back, and to what?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from the_experiment.worlds.causal.graphs import causes, graph_of
from the_experiment.worlds.causal.puzzle import PUZZLES, Asks, Draft, Edge
from the_experiment.worlds.causal.writing import arrows, describe_edges, lines
from the_experiment.worlds.generators import Random, below, one_of, shuffled

FEWEST = 2  # links between the two variables
WHICH = (
    "Which variable stands {links} links before {goal}?",
    "Go back {links} causes from {goal}. Which variable is there?",
    "Which variable brings about {goal} in exactly {links} steps?",
)
HOW_MANY = (
    "How many links lead from {start} to {goal}?",
    "In how many steps does {start} bring about {goal}?",
    "How many arrows are there on the way from {start} to {goal}?",
)


@PUZZLES.register("chain")
class Chain:
    """A chain with branches, so that each variable but the first has one cause."""

    @staticmethod
    def draw(names: Sequence[str], rng: Random) -> Draft | None:
        """The links in random order, and a question on two variables of one chain."""
        chain, edges = _drawn(names, rng)
        links = FEWEST + below(rng, len(chain) - FEWEST)
        end = links + below(rng, len(chain) - links)
        start, goal = chain[end - links], chain[end]
        asks: Asks = one_of(rng, ("variable", "number"))
        wording = one_of(rng, WHICH if asks == "variable" else HOW_MANY)
        answer = start if asks == "variable" else str(links)
        question = wording.format(links=links, start=start, goal=goal)
        back = list(reversed(chain[end - links : end + 1]))
        return Draft(
            question=f"{describe_edges(edges, rng)} {question}",
            answer=answer,
            think=lines(arrows(edges), _asked(asks, start, goal, links)),
            causality=lines(*_walk(back), f"So the answer is {answer}."),
            edges=tuple(edges),
            asks=asks,
            asked=(goal,) if asks == "variable" else (start, goal),
            links=links if asks == "variable" else 0,
        )

    @staticmethod
    def solve(draft: Draft) -> str:
        """Cause after cause, so many times; or the length of the way between the two."""
        if draft.asks == "variable":
            name = draft.asked[0]
            for _ in range(draft.links):
                (name,) = causes(draft.edges, name)
            return name
        distances = dict(_lengths(draft.edges, draft.asked[0]))
        return str(distances[draft.asked[1]])


def _drawn(names: Sequence[str], rng: Random) -> tuple[list[str], list[Edge]]:
    """A chain of at least two thirds of the variables, the others as branches; shuffled links."""
    order = shuffled(rng, names)
    length = max(len(order) - below(rng, len(order) // 3 + 1), FEWEST + 1)
    edges = list(pairwise(order[:length]))
    edges += [(one_of(rng, order[:place]), order[place]) for place in range(length, len(order))]
    return order[:length], shuffled(rng, edges)


def _asked(asks: Asks, start: str, goal: str, links: int) -> str:
    if asks == "variable":
        return f"Asked: what stands {links} links before {goal}."
    return f"Asked: how many links lead from {start} to {goal}."


def _walk(back: Sequence[str]) -> Iterator[str]:
    """From the last variable to its cause, and on, counted."""
    for number, (effect, cause) in enumerate(pairwise(back), start=1):
        yield f"{number}: {effect} ← {cause}"


def _lengths(edges: Sequence[Edge], start: str) -> Iterator[tuple[str, int]]:
    """Every variable that the first one leads to, with the number of links, layer by layer."""
    graph, layer, distance = graph_of(edges), [start], 0
    while layer:
        yield from ((name, distance) for name in layer)
        layer, distance = [effect for name in layer for effect in graph[name]], distance + 1
