"""From a truth table to a short formula, and formulas as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from the_experiment.worlds.tree import Apply, Name, Number, Tree

Truth = npt.NDArray[np.bool_]  # (2, 2, …): whether it holds, an axis for each name
Cube = tuple[int | slice, ...]  # the corner of a truth table where some names are fixed

EITHER = slice(None)
TIGHTEST_FIRST = ("NOT", "AND", "XOR", "OR")
OURS: Mapping[str, str] = MappingProxyType(
    {"NOT": "NOT ", "AND": " AND ", "XOR": " XOR ", "OR": " OR "}
)
BNET: Mapping[str, str] = MappingProxyType({"NOT": "!", "AND": " & ", "OR": " | "})
LONGEST_CHAIN = 32  # operands written in a row; of more, halves stand in parentheses


def formula(names: Sequence[str], truth: Truth) -> Tree:
    """What holds exactly where the truth table does: an OR of ANDs, or NOT one, if that is shorter.

    No AND can lose a name, and none can be left out; another choice of ANDs may be shorter.

    >>> table = np.array([[[0, 0], [0, 1]], [[1, 1], [1, 1]]], dtype=bool)
    >>> text_of(formula(["A", "B", "C"], table))
    'A OR B AND C'
    """
    if truth.all() or not truth.any():
        return Number(int(truth.all()))
    holds, fails = _cover(truth), _cover(~truth)
    if _names_in(fails) < _names_in(holds):
        return Apply("NOT", (_any_of(names, fails),))
    return _any_of(names, holds)


def text_of(tree: Tree, words: Mapping[str, str] = OURS) -> str:
    """A tree as text, with no more parentheses than it needs to be read as the same tree.

    Raises `KeyError` for an operator that is not among the `words`.
    """
    if not isinstance(tree, Apply):
        return str(tree)
    word = words[tree.operator]
    first, *others = tree.operands
    if not others:
        return word + _operand(first, tree, words)
    (second,) = others
    return _operand(first, tree, words) + word + _operand(second, tree, words, last=True)


def _operand(tree: Tree, of: Apply, words: Mapping[str, str], *, last: bool = False) -> str:
    text = text_of(tree, words)
    if not isinstance(tree, Apply):
        return text
    inner, outer = (TIGHTEST_FIRST.index(one.operator) for one in (tree, of))
    needs_none = inner < outer or (inner == outer and not last)
    return text if needs_none else f"({text})"


def _cover(truth: Truth) -> list[Cube]:
    """Cubes that together are where the table holds: none larger would do, none is too many."""
    cubes: list[Cube] = []
    times = np.zeros(truth.shape, dtype=np.int64)  # that each place is covered
    for place in np.argwhere(truth):
        if not times[tuple(place)]:
            cubes.append(_widened(truth, tuple(place.tolist())))
            times[cubes[-1]] += 1
    kept = []
    for cube in sorted(cubes, key=lambda one: one.count(EITHER)):
        if (times[cube] > 1).all():
            times[cube] -= 1
        else:
            kept.append(cube)
    return sorted(kept, key=lambda one: (-one.count(EITHER), cubes.index(one)))


def _widened(truth: Truth, cube: Cube) -> Cube:
    for axis in reversed(range(len(cube))):
        wider = (*cube[:axis], EITHER, *cube[axis + 1 :])
        if truth[wider].all():
            cube = wider
    return cube


def _names_in(cubes: Sequence[Cube]) -> int:
    return sum(len(cube) - cube.count(EITHER) for cube in cubes)


def _any_of(names: Sequence[str], cubes: Sequence[Cube]) -> Tree:
    return joined("OR", [_all_of(names, cube) for cube in cubes])


def _all_of(names: Sequence[str], cube: Cube) -> Tree:
    literals: list[Tree] = []
    for name, value in zip(names, cube, strict=True):
        if value != EITHER:
            literals.append(Name(name) if value else Apply("NOT", (Name(name),)))
    return joined("AND", literals)


def joined(operator: str, operands: Sequence[Tree]) -> Tree:
    """One after the other, or in halves where that would be too deep to be read again."""
    if len(operands) > LONGEST_CHAIN:
        middle = math.ceil(len(operands) / 2)
        halves = (joined(operator, operands[:middle]), joined(operator, operands[middle:]))
        return Apply(operator, halves)
    tree, *others = operands
    for other in others:
        tree = Apply(operator, (tree, other))
    return tree
