"""Every decision tree that ties allow, counted: at a node, each equally good split is as likely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.data.cases import Truths
from the_experiment.evaluation.predictions import Predictions, Shares

MOST_NODES = 10_000
MOST_SPLITS = 128  # values of all inputs together; each node tries a split beside each of them

Rows = int  # a set of rows, as bits
Sides = tuple[tuple[Rows, Rows], tuple[Rows, Rows]]  # seen rows and new states, twice


class TooManyError(Exception):
    """There are more trees than can be counted."""


@dataclass(frozen=True)
class Leaf:
    """Seen rows that no split tells apart any more: any of their commonest values."""

    asked: Rows  # the new states that end here
    values: tuple[int, ...]  # the numbers of the values, all equally likely


@dataclass(frozen=True)
class Fork:
    """Equally good splits, each with the numbers of the nodes below that new states reach."""

    splits: tuple[tuple[int, ...], ...]
    shares: tuple[float, ...]  # of each split, adding up to 1


class TiedTrees:
    """The trees for one output as one graph: nodes that several trees share stand in it once.

    `states` (n, inputs) with `values` (n,) are seen, `asked` (m, inputs) are new. A split lies
    between two neighbouring values, and the best has the least Gini impurity (Breiman et al.,
    1984), compared as exact fractions. scikit-learn takes the first of equally good splits of one
    input, half way between the two values; here all are as likely, and so are all thresholds
    between the two, as no seen state tells them apart. Raises `TooManyError` above `most` nodes.
    """

    def __init__(self, states: Integers, values: Integers, asked: Integers, most: int) -> None:
        self.values, coded = np.unique(values, return_inverse=True)
        self.asked = len(asked)
        self._most = most
        self._classes = [_bits(coded == number) for number in range(len(self.values))]
        self._seen = [_by_value(column) for column in states.T]
        self._new = [_by_value(column) for column in asked.T]
        both = zip(self._seen, self._new, strict=True)
        if sum(len(seen.keys() | new.keys()) for seen, new in both) > MOST_SPLITS:
            raise TooManyError
        self._nodes: list[Leaf | Fork] = []  # what lies below a node stands before it
        self._number: dict[tuple[Rows, Rows], int] = {}
        self._grow((1 << len(states)) - 1, (1 << len(asked)) - 1)

    def predictions(self) -> Predictions:
        """The share of trees that give each value to each new state, and to all of them at once."""
        return Predictions(self.values, self._shares(), self._joint)

    def _grow(self, rows: Rows, asked: Rows) -> int:
        """The number of the node for these seen rows and new states."""
        if (rows, asked) not in self._number:
            if len(self._nodes) == self._most:
                raise TooManyError
            node = self._node(rows, asked)
            self._nodes.append(node)
            self._number[rows, asked] = len(self._nodes) - 1
        return self._number[rows, asked]

    def _node(self, rows: Rows, asked: Rows) -> Leaf | Fork:
        counts = [(rows & members).bit_count() for members in self._classes]
        splits = [] if max(counts) == rows.bit_count() else list(self._splits(rows, asked))
        if not splits:
            commonest = (number for number, n in enumerate(counts) if n == max(counts))
            return Leaf(asked, tuple(commonest))
        best = max(quality for quality, *_ in splits)
        sides, shares = zip(*(split[1:] for split in splits if split[0] == best), strict=True)
        below = (tuple(self._grow(*side) for side in both if side[1]) for both in sides)
        return Fork(tuple(below), tuple(share / sum(shares) for share in shares))

    def _splits(self, rows: Rows, asked: Rows) -> Iterator[tuple[Fraction, Sides, float]]:
        """Every split of the rows: how pure it is, both sides, and its share of one input's."""
        for seen, new in zip(self._seen, self._new, strict=True):
            there = [(value, rows & members) for value, members in seen.items() if rows & members]
            left = 0
            for (value, members), (following, _) in pairwise(there):
                left |= members
                right = rows & ~left
                quality = self._purity(left) + self._purity(right)
                for below, share in _thresholds(new, asked, value, following):
                    yield quality, ((left, below), (right, asked & ~below)), share

    def _purity(self, rows: Rows) -> Fraction:
        squares = sum((rows & members).bit_count() ** 2 for members in self._classes)
        return Fraction(squares, rows.bit_count())

    def _shares(self) -> Shares:
        """(m, values): a node's share of trees goes down through its splits in equal parts."""
        reached = np.zeros(len(self._nodes))
        reached[-1] = 1.0
        shares = np.zeros((self.asked, len(self.values)))
        for number in reversed(range(len(self._nodes))):
            node = self._nodes[number]
            if isinstance(node, Leaf):
                shares[np.ix_(_members(node.asked), node.values)] += reached[number] / len(
                    node.values
                )
            else:
                for below, share in zip(node.splits, node.shares, strict=True):
                    reached[list(below)] += reached[number] * share
        return shares

    def _joint(self, right: Truths) -> float:
        """The share of trees that give every new state a value marked for it (m, values)."""
        coded = [_bits(column) for column in right.T]
        found: list[float] = []
        for node in self._nodes:
            if isinstance(node, Leaf):
                fine = sum(not node.asked & ~coded[value] for value in node.values)
                found.append(fine / len(node.values))
            else:
                each = (np.prod([found[number] for number in below]) for below in node.splits)
                found.append(float(np.dot(list(each), node.shares)))
        return found[-1]


def _thresholds(
    new: dict[int, Rows], asked: Rows, value: int, following: int
) -> Iterator[tuple[Rows, float]]:
    """Thresholds between two seen values: the new states below, and the share of thresholds.

    >>> between = {1: 0b001, 4: 0b010, 6: 0b100}
    >>> [(bin(below), share) for below, share in _thresholds(between, 0b111, 3, 7)]
    [('0b1', 0.25), ('0b11', 0.5), ('0b111', 0.25)]
    """
    below = sum(some & asked for each, some in new.items() if each <= value)
    start = value
    for each, some in new.items():
        if value < each < following and some & asked:
            yield below, (each - start) / (following - value)
            below, start = below | some & asked, each
    yield below, (following - start) / (following - value)


def _by_value(column: Integers) -> dict[int, Rows]:
    """The rows with each value, values in order."""
    return {int(value): _bits(column == value) for value in np.unique(column)}


def _bits(chosen: np.ndarray) -> Rows:
    return int.from_bytes(np.packbits(chosen, bitorder="little").tobytes(), "little")


def _members(rows: Rows) -> list[int]:
    return [number for number in range(rows.bit_length()) if rows >> number & 1]
