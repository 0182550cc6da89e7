"""Causal graphs in words: what a question tells, and how a trace repeats it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from the_experiment.worlds.causal.puzzle import Edge
from the_experiment.worlds.generators import Random, one_of

EDGE = (
    "{cause} causes {effect}.",
    "{cause} leads to {effect}.",
    "{effect} is caused by {cause}.",
    "{cause} has a direct effect on {effect}.",
    "One direct cause of {effect} is {cause}.",
)
AT_ONCE = "let {}."


def told(edges: Sequence[Edge], rng: Random) -> str:
    """The edges as sentences of one wording, in the order they come in.

    >>> import numpy as np
    >>> told([("W", "B"), ("rain", "mud")], np.random.RandomState(2))
    'B is caused by W. Mud is caused by rain.'
    """
    wording = one_of(rng, (*EDGE, AT_ONCE))
    if wording == AT_ONCE:
        return sentence(wording.format(joined([f"{one} cause {other}" for one, other in edges])))
    return " ".join(sentence(wording.format(cause=one, effect=other)) for one, other in edges)


def sentence(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def joined(names: Sequence[str], last: str = "and") -> str:
    """Names in a row.

    >>> joined(["B"]), joined(["B", "C", "D"])
    ('B', 'B, C and D')
    """
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def arrows(edges: Iterable[Edge]) -> str:
    """The line that a trace begins with: the edges as told, each from its effect.

    Derivations go back from effect to cause: what they look up stands here in the same order.

    >>> arrows([("W", "B"), ("B", "C")])
    'Told: B ← W, C ← B.'
    """
    return f"Told: {', '.join(f'{effect} ← {cause}' for cause, effect in edges)}."


def along(edges: Collection[Edge], path: Sequence[str]) -> str:
    """A path with its arrows as they point.

    >>> along([("W", "B"), ("W", "C")], ["B", "W", "C"])
    'B ← W → C'
    """
    told = path[0] if path else ""
    for one, other in pairwise(path):
        told += f" {'→' if (one, other) in edges else '←'} {other}"
    return told


def lines(*texts: str) -> str:
    """The text of a trace."""
    return "\n".join(texts)
