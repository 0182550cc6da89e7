"""Directed acyclic graphs of named variables: drawn at random, hashed, and asked about."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Collection, Iterable, Sequence
from itertools import islice, product
from typing import Any

from the_experiment.base.errors import require_packages
from the_experiment.worlds.causal.puzzle import Edge
from the_experiment.worlds.generators import Random, below, one_of, shuffled

LETTERS = tuple("BCDEFGHJKLMNOPQRSTUVWXYZ")  # A and I are words as well
WORDS = (  # each can be said to cause something, and to be caused, without an article
    *("rain", "wind", "fog", "frost", "heat", "drought", "flooding", "erosion", "mud", "dust"),
    *(
        "smoke",
        "noise",
        "traffic",
        "road damage",
        "power failure",
        "water shortage",
        "crop failure",
    ),
    *("hunger", "thirst", "fatigue", "stress", "fever", "coughing", "insomnia", "headache"),
    *("exercise", "hard work", "overtime", "poverty", "debt", "inflation", "unemployment"),
    *("panic", "theft", "tourism", "advertising", "road building", "logging", "overfishing"),
    *("rust", "engine failure", "late delivery"),
)
FIRST = ("bla", "dro", "fi", "gu", "klo", "me", "pra", "snu", "te", "vo", "wu", "zi")
SECOND = ("bix", "dap", "fen", "gul", "kem", "lorp", "mib", "nax", "pim", "quib", "rund", "zot")
NONSENSE = tuple(first + second for first, second in product(FIRST, SECOND))
NAMES: dict[str, tuple[str, ...]] = {"letters": LETTERS, "words": WORDS, "nonsense": NONSENSE}
NAMINGS: tuple[str, ...] = tuple(NAMES)


def drawn_names(naming: str, count: int, rng: Random) -> list[str]:
    """So many different names of one sort.

    >>> import numpy as np
    >>> [drawn_names(naming, 2, np.random.RandomState(4)) for naming in NAMINGS]
    [['Z', 'P'], ['engine failure', 'coughing'], ['zinax', 'pramib']]
    """
    found: dict[str, None] = {}
    while len(found) < count:
        found[one_of(rng, NAMES[naming])] = None
    return list(found)


MOST_CAUSES = 2  # of one variable
HASH_LENGTH = 16  # hexadecimal digits


def drawn_edges(names: Sequence[str], rng: Random) -> list[Edge]:
    """The edges of a graph without cycles in which each variable has an edge, and at most 2 causes.

    >>> import numpy as np
    >>> drawn_edges("ABCD", np.random.RandomState(1))
    [('D', 'A'), ('C', 'B')]
    """
    order = shuffled(rng, names)
    edges = [
        (cause, effect)
        for number, effect in enumerate(order)
        for cause in shuffled(rng, order[:number])[: below(rng, MOST_CAUSES + 1)]
    ]
    for number, name in enumerate(order):
        if all(name not in edge for edge in edges):
            edges.append((order[0], name) if number else (name, order[1]))
    return shuffled(rng, edges)


def shape(edges: Iterable[Edge]) -> str:
    """A hash of a graph that is the same whatever its variables are called.

    Each variable is coloured by the colours of its causes and effects, again and again (Weisfeiler
    and Leman 1968). Two shapes may share a hash, which only puts them on the same side of a split.

    >>> shape([("A", "B"), ("B", "C")]) == shape([("y", "z"), ("x", "y")])
    True
    >>> shape([("A", "B"), ("B", "C")]) == shape([("A", "B"), ("A", "C")])
    False
    """
    edges = list(edges)
    colours = dict.fromkeys(variables(edges), "")
    for _ in range(len(colours)):
        causing, caused = _beside(edges, colours), _beside([edge[::-1] for edge in edges], colours)
        colours = {name: _hash([*causing[name], "<", *caused[name]]) for name in colours}
    return _hash(sorted(colours.values()))


def _beside(edges: Iterable[Edge], colours: dict[str, str]) -> dict[str, list[str]]:
    """The colours of each variable's causes, sorted."""
    found: dict[str, list[str]] = {name: [] for name in colours}
    for cause, effect in edges:
        found[effect].append(colours[cause])
    return {name: sorted(found[name]) for name in found}


def _hash(parts: list[str]) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:HASH_LENGTH]


def variables(edges: Iterable[Edge]) -> list[str]:
    """Every variable that has an edge, in the order in which they are told."""
    return list(dict.fromkeys(name for edge in edges for name in edge))


def causes(edges: Iterable[Edge], name: str) -> list[str]:
    """The direct causes of a variable, as told."""
    return [cause for cause, effect in edges if effect == name]


def roots(edges: Collection[Edge]) -> list[str]:
    """The variables without a cause."""
    return [name for name in variables(edges) if not causes(edges, name)]


def ancestors(edges: Iterable[Edge], name: str) -> set[str]:
    """What causes a variable, directly or not."""
    return set(_networkx().ancestors(graph_of(edges), name))


def descendants(edges: Iterable[Edge], name: str) -> set[str]:
    """What a variable causes, directly or not."""
    return set(_networkx().descendants(graph_of(edges), name))


def in_causal_order(edges: Iterable[Edge]) -> list[str]:
    """All variables, each after its causes; else in the order in which they are told."""
    edges = list(edges)
    place = variables(edges).index
    return list(_networkx().lexicographical_topological_sort(graph_of(edges), key=place))


def directed_paths(edges: Iterable[Edge], start: str, end: str) -> list[list[str]]:
    """Every way from cause to effect, the shortest first."""
    paths = _networkx().all_simple_paths(graph_of(edges), start, end)
    return sorted(paths, key=lambda path: (len(path), path))


def paths_between(edges: Iterable[Edge], one: str, other: str, most: int) -> list[list[str]]:
    """The paths from one variable to another, whichever way their arrows point: `most`, if any."""
    paths = _networkx().all_simple_paths(graph_of(edges).to_undirected(), one, other)
    return sorted(islice(paths, most), key=lambda path: (len(path), path))


def d_separated(edges: Iterable[Edge], one: str, other: str, given: Iterable[str]) -> bool:
    """Whether no path between the two is open once these are given (Pearl 1988)."""
    return bool(_networkx().is_d_separator(graph_of(edges), {one}, {other}, set(given)))


def without(edges: Iterable[Edge], name: str) -> list[Edge]:
    """The edges that don't touch a variable."""
    return [edge for edge in edges if name not in edge]


def graph_of(edges: Iterable[Edge]) -> Any:
    """The graph as one of networkx."""
    return _networkx().DiGraph(list(edges))


def _networkx() -> Any:
    """The library, imported when it is first needed: it is no part of a plain install."""
    require_packages("networkx")
    return importlib.import_module("networkx")


def any_of(names: Collection[str], rng: Random) -> str:
    """One of these, whatever order they come in."""
    return one_of(rng, sorted(names))
