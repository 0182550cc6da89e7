"""D-separation: is every path between two variables blocked?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from the_experiment.worlds.causal.graphs import (
    any_of,
    causes,
    d_separated,
    descendants,
    drawn_edges,
    paths_between,
)
from the_experiment.worlds.causal.puzzle import PUZZLES, YES_NO, Draft, Edge
from the_experiment.worlds.causal.writing import along, arrows, describe_edges, joined, lines
from the_experiment.worlds.generators import Random, below, one_of, shuffled

MOST_GIVEN = 2
MOST_PATHS = 5  # a trace tells each of them
FROM_AFAR = 0.6  # the share of draws in which an effect of a common effect is given
FEWEST_PATHS = (1, 2, 2, 2)  # one of these: else there would hardly ever be several
ASKED = (
    "Are {one} and {other} d-separated given {given}?",
    "Given {given}, does this graph make {one} and {other} independent?",
    "Is every path between {one} and {other} blocked, given {given}?",
)


@PUZZLES.register("d-separation")
class DSeparation:
    """Two variables with a path but no arrow between them, and at most two that are given."""

    @staticmethod
    def draw(names: Sequence[str], rng: Random) -> Draft | None:
        """A graph whose paths between the two are few enough to be told."""
        edges = drawn_edges(names, rng)
        one, other, given = _drawn_question(edges, names, rng)
        paths = paths_between(edges, one, other, MOST_PATHS + 1)
        if not one_of(rng, FEWEST_PATHS) <= len(paths) <= MOST_PATHS or len(paths[0]) == 2:
            return None
        met = joined(given) or "nothing"
        blocked = [_blocked(edges, path, given) for path in paths]
        asked = f"whether {one} and {other} are d-separated given {met}"
        return Draft(
            question=f"{describe_edges(edges, rng)} "
            f"{one_of(rng, ASKED).format(one=one, other=other, given=met)}",
            answer=YES_NO[all(blocked)],
            think=lines(arrows(edges), f"Asked: {asked}."),
            causality=lines(
                *(_told_path(edges, path, given) for path in paths), _conclusion(blocked)
            ),
            edges=tuple(edges),
            asks="yes-no",
            asked=(one, other),
            given=tuple(given),
        )

    @staticmethod
    def solve(draft: Draft) -> str:
        """What networkx says, which looks at no paths."""
        one, other = draft.asked
        return YES_NO[d_separated(draft.edges, one, other, draft.given)]


def _drawn_question(
    edges: Sequence[Edge], names: Sequence[str], rng: Random
) -> tuple[str, str, list[str]]:
    """Two variables and those that are given.

    Often two causes of one effect, given something that the effect leads to: it would else be rare
    that this is what opens a path.
    """
    one, other, *rest = shuffled(rng, names)
    given = rest[: below(rng, MOST_GIVEN + 1)]
    met = [name for name in names if len(causes(edges, name)) > 1 and descendants(edges, name)]
    if met and rng.random() < FROM_AFAR:
        effect = one_of(rng, met)
        one, other = causes(edges, effect)
        more = [name for name in given[1:] if name not in (one, other)]
        given = list({any_of(descendants(edges, effect), rng), *more})
    return one, other, sorted(given)


def _conclusion(blocked: Sequence[bool]) -> str:
    if all(blocked):
        return "No path is open, so they are d-separated: yes."
    return "A path is open, so they are not d-separated: no."


def _told_path(edges: Collection[Edge], path: Sequence[str], given: Collection[str]) -> str:
    """The path, what stands on it up to where it is blocked, and whether it is."""
    reasons = []
    for reason, blocks in _obstacles(edges, path, given):
        reasons.append(reason)
        if blocks:
            return f"{along(edges, path)}: {'; '.join(reasons)}: blocked."
    return f"{along(edges, path)}: {'; '.join(reasons)}: open."


def _blocked(edges: Collection[Edge], path: Sequence[str], given: Collection[str]) -> bool:
    return any(blocks for _, blocks in _obstacles(edges, path, given))


def _obstacles(
    edges: Collection[Edge], path: Sequence[str], given: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """What each variable inside of a path is there, and whether it blocks it."""
    for before, name, after in zip(path, path[1:], path[2:], strict=False):
        if (before, name) in edges and (after, name) in edges:
            known = sorted({name, *descendants(edges, name)} & {*given})
            told = f"{joined(known)} given" if known else "neither it nor an effect of it given"
            yield f"{name} is a common effect, {told}", not known
        else:
            role = "common cause" if (name, before) in edges and (name, after) in edges else "link"
            is_given = name in given
            yield f"{name} is a {role}, {'' if is_given else 'not '}given", is_given
