"""What can be said of a world's outputs as functions of its inputs."""

from __future__ import annotations

import numpy as np

from the_experiment.worlds.world import World

MOST_BITS = 20  # a truth table of a million rows


def fourier_degree(world: World, part: str) -> int | None:
    """The degree of a boolean part as a polynomial in its boolean inputs; None for other parts.

    A part of degree d is fixed by its values wherever fewer than 2^(n-d) of 2^n states are hidden
    (O'Donnell, Analysis of Boolean Functions, 2014, ch. 1 and 3).

    >>> from the_experiment.worlds.catalog import find_world
    >>> [fourier_degree(find_world("causal"), part) for part in ("newA", "newB", "newC", "newD")]
    [2, 1, 2, 2]
    """
    table = _truth_table(world, part)
    if table is None:
        return None
    weights = np.array([bin(index).count("1") for index in range(len(table))])
    return int(weights[_walsh_hadamard(1 - 2 * table) != 0].max())


def average_sensitivity(world: World, part: str) -> float | None:
    """How many inputs change a boolean part in a state, on average; None for other parts.

    Also called its total influence (O'Donnell 2014, definition 2.27).

    >>> from the_experiment.worlds.catalog import find_world
    >>> [average_sensitivity(find_world("causal"), part) for part in ("newA", "newB", "newC")]
    [2.0, 1.0, 1.0]
    """
    table = _truth_table(world, part)
    if table is None:
        return None
    states = np.arange(len(table))
    bits = range(len(table).bit_length() - 1)
    return float(sum((table != table[states ^ (1 << bit)]).mean() for bit in bits))


def _truth_table(world: World, part: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None:
    """A boolean part's value in all states of the inputs that it depends on, a bit for each."""
    names = world.depends_on(part)
    if len(names) > MOST_BITS or not all(world.inputs[name].boolean for name in names):
        return None
    states = np.zeros((2 ** len(names), len(world.inputs)), dtype=np.int64)
    states += [domain.low for domain in world.inputs.values()]
    for bit, name in enumerate(names):
        states[:, list(world.inputs).index(name)] = (np.arange(len(states)) >> bit) & 1
    table = world.part_values(states)[part]
    return table if np.isin(table, (0, 1)).all() else None


def _walsh_hadamard(
    table: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The Walsh–Hadamard transform of a table of 2^n values, times 2^n: whole numbers."""
    size = len(table)
    half = 1
    while half < size:
        pairs = table.reshape(-1, 2, half)
        table = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1).reshape(size)
        half *= 2
    return table
