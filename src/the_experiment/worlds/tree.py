"""Expressions as trees: what a rule says, over arrays of states, and what it can give.

Values are int64 arrays; a truth value is 0 or 1, and any other number counts as true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Integers

Active: TypeAlias = npt.NDArray[np.bool_]
Bounds: TypeAlias = tuple[int, int]

LARGEST = 2**62  # int64 with room to spare: sums of two still fit


class DivisionByZeroError(ArithmeticError):
    """A divisor is zero in the state of row `row`; `column` is where the operator stands."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__(f"division by zero in row {row}")
        self.row = row
        self.column = column


@dataclass(frozen=True)
class Number:
    """A whole number."""

    value: int
    column: int = field(default=1, compare=False)

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Name:
    """An input or a rule, by name."""

    name: str
    column: int = field(default=1, compare=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Apply:
    """An operator or function applied to its operands; `if` takes (value, condition, other)."""

    operator: str
    operands: tuple[Tree, ...]
    column: int = field(default=1, compare=False)

    def __str__(self) -> str:
        words = [str(operand) for operand in self.operands]
        if self.operator == "if":
            return f"({words[0]} if {words[1]} else {words[2]})"
        if self.operator in FUNCTIONS:
            return f"{self.operator}({', '.join(words)})"
        if len(words) == 1:
            return f"({self.operator} {words[0]})"
        return f"({words[0]} {self.operator} {words[1]})"


Tree: TypeAlias = Number | Name | Apply


def _truth(values: Any) -> Any:
    return (values != 0).astype(np.int64)


# What each operator does to arrays. `if`, AND, OR, // and % need to know which states ask for
# their value, so that `X // Y if Y else 0` divides only where Y is not zero; see `evaluate`.
PLAIN: dict[str, Callable[..., Any]] = {
    "NOT": lambda a: 1 - _truth(a),
    "XOR": lambda a, b: _truth(a) ^ _truth(b),
    "==": lambda a, b: (a == b).astype(np.int64),
    "!=": lambda a, b: (a != b).astype(np.int64),
    "<": lambda a, b: (a < b).astype(np.int64),
    "<=": lambda a, b: (a <= b).astype(np.int64),
    ">": lambda a, b: (a > b).astype(np.int64),
    ">=": lambda a, b: (a >= b).astype(np.int64),
    "+": lambda *ab: ab[0] if len(ab) == 1 else ab[0] + ab[1],
    "-": lambda *ab: -ab[0] if len(ab) == 1 else ab[0] - ab[1],
    "*": lambda a, b: a * b,
    "min": lambda *values: np.minimum.reduce(values),
    "max": lambda *values: np.maximum.reduce(values),
    "abs": np.abs,
}
FUNCTIONS = {"min": (2, math.inf), "max": (2, math.inf), "abs": (1, 1)}  # fewest, most operands
TRUTH_VALUED = frozenset({"NOT", "AND", "OR", "XOR", "==", "!=", "<", "<=", ">", ">="})


def evaluate(
    tree: Tree, values: Mapping[str, Integers], rows: int, active: Active | None = None
) -> Integers:
    """The value of `tree` in each of `rows` states.

    `values` has one int64 array of length `rows` for each name. Division by zero in a state in
    which the value is asked for raises `DivisionByZeroError`.

    >>> tree = Apply("XOR", (Name("A"), Name("C")))
    >>> evaluate(tree, {"A": np.array([0, 1]), "C": np.array([1, 1])}, rows=2).tolist()
    [1, 0]
    """
    active = np.ones(rows, dtype=np.bool_) if active is None else active
    if isinstance(tree, Number):
        return np.full(rows, tree.value, dtype=np.int64)
    if isinstance(tree, Name):
        return values[tree.name]
    if tree.operator in PLAIN:
        operands = (evaluate(operand, values, rows, active) for operand in tree.operands)
        result: Integers = PLAIN[tree.operator](*operands)
        return result
    return _evaluate_where_asked(tree, values, rows, active)


def _evaluate_where_asked(
    tree: Apply, values: Mapping[str, Integers], rows: int, active: Active
) -> Integers:
    def value(operand: Tree, where: Active) -> Integers:
        return evaluate(operand, values, rows, where)

    if tree.operator == "if":
        condition = value(tree.operands[1], active) != 0
        chosen = value(tree.operands[0], active & condition)
        return np.where(condition, chosen, value(tree.operands[2], active & ~condition))
    left = value(tree.operands[0], active)
    if tree.operator in ("AND", "OR"):
        decided = (left == 0) if tree.operator == "AND" else (left != 0)
        right = value(tree.operands[1], active & ~decided)
        result: Integers = np.where(decided, left != 0, right != 0).astype(np.int64)
        return result
    right = value(tree.operands[1], active)
    zero: Active = right == 0
    if (zero & active).any():
        raise DivisionByZeroError(int(np.argmax(zero & active)), tree.column)
    divisor = np.where(zero, 1, right)
    return left // divisor if tree.operator == "//" else left % divisor


def names_in(tree: Tree) -> Iterator[Name]:
    """Every name in the tree, from left to right."""
    if isinstance(tree, Name):
        yield tree
    elif isinstance(tree, Apply):
        for operand in tree.operands:
            yield from names_in(operand)


def divisors_in(tree: Tree) -> Iterator[Tree]:
    """What the tree divides by, anywhere in it."""
    if isinstance(tree, Apply):
        if tree.operator in ("//", "%"):
            yield tree.operands[1]
        for operand in tree.operands:
            yield from divisors_in(operand)


def bounds(tree: Tree, known: Mapping[str, Bounds]) -> Bounds:
    """The smallest and largest value that `tree` can have, given those of its names.

    The interval may be wider than what is reached, never narrower. Raises `OverflowError` where
    a value might not fit 64 bits.

    >>> bounds(Apply("+", (Name("A"), Number(3))), {"A": (0, 1)})
    (3, 4)
    """
    if isinstance(tree, Number):
        low = high = tree.value
    elif isinstance(tree, Name):
        low, high = known[tree.name]
    else:
        low, high = _applied_bounds(tree, [bounds(operand, known) for operand in tree.operands])
    if max(-low, high) > LARGEST:
        raise OverflowError(f"values up to {max(-low, high)} do not fit 64 bits")
    return low, high


def _applied_bounds(tree: Apply, of: list[Bounds]) -> Bounds:
    if tree.operator in TRUTH_VALUED:
        return 0, 1
    if tree.operator == "if":
        return min(of[0][0], of[2][0]), max(of[0][1], of[2][1])
    if tree.operator == "min":
        return min(low for low, _ in of), min(high for _, high in of)
    if tree.operator == "max":
        return max(low for low, _ in of), max(high for _, high in of)
    if tree.operator == "abs":
        (low, high), *_ = of
        return max(low, -high, 0), max(-low, high)
    if len(of) == 1:
        (low, high), *_ = of
        return (-high, -low) if tree.operator == "-" else (low, high)
    return _arithmetic_bounds(tree.operator, *of)


def _arithmetic_bounds(operator: str, left: Bounds, right: Bounds) -> Bounds:
    if operator == "+":
        return left[0] + right[0], left[1] + right[1]
    if operator == "-":
        return left[0] - right[1], left[1] - right[0]
    if operator == "%":  # the sign of the divisor, and smaller than it
        return min(right[0] + 1, 0), max(right[1] - 1, 0)
    if operator == "*":
        corners = [a * b for a in left for b in right]
    else:  # the extremes of a quotient lie at the ends, or beside a zero divisor
        divisors = {b for b in (*right, -1, 1) if right[0] <= b <= right[1] and b}
        corners = [a // b for a in left for b in divisors] or [0]
    return min(corners), max(corners)
