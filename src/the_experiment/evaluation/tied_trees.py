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

MOST_NODES = 50_000
MOST_SPLITS = 128  # values of all inputs together; each node tries a split beside each of them

Rows = int  # a set of rows, as bits


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


class TiedTrees:
    """The trees for one output as one graph: nodes that several trees share stand in it once.

    `states` (n, inputs) with `values` (n,) are seen, `asked` (m, inputs) are new. A split is at the
    mean of two neighbouring values, and the best has the least Gini impurity (Breiman et al.,
    1984), compared as exact fractions. scikit-learn takes the first of equally good thresholds of
    one input; here all are as likely. Raises `TooManyError` above `most` nodes.
    """

    def __init__(self, states: Integers, values: Integers, asked: Integers, most: int) -> None:
        self.values, coded = np.unique(values, return_inverse=True)
        self.asked = len(asked)
        self._most = most
        self._classes = [_bits(coded == number) for number in range(len(self.values))]
        self._seen = [_by_value(column) for column in states.T]
        self._new = [_by_value(column) for column in asked.T]
        if sum(map(len, self._seen)) > MOST_SPLITS:
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
        return Fork(
            tuple(
                tuple(self._grow(*side) for side in sides if side[1])
                for quality, *sides in splits
                if quality == best
            )
        )

    def _splits(
        self, rows: Rows, asked: Rows
    ) -> Iterator[tuple[Fraction, tuple[Rows, Rows], tuple[Rows, Rows]]]:
        """Every split of the rows: how pure it is; then rows and new states of both sides."""
        for seen, new in zip(self._seen, self._new, strict=True):
            there = [(value, rows & members) for value, members in seen.items() if rows & members]
            left = 0
            for (value, members), (following, _) in pairwise(there):
                left |= members
                below = sum(some for each, some in new.items() if 2 * each <= value + following)
                quality = self._purity(left) + self._purity(rows & ~left)
                yield quality, (left, asked & below), (rows & ~left, asked & ~below)

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
                for below in node.splits:
                    reached[list(below)] += reached[number] / len(node.splits)
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
                found.append(float(sum(each)) / len(node.splits))
        return found[-1]


def _by_value(column: Integers) -> dict[int, Rows]:
    """The rows with each value, values in order."""
    return {int(value): _bits(column == value) for value in np.unique(column)}


def _bits(chosen: np.ndarray) -> Rows:
    return int.from_bytes(np.packbits(chosen, bitorder="little").tobytes(), "little")


def _members(rows: Rows) -> list[int]:
    return [number for number in range(rows.bit_length()) if rows >> number & 1]
