"""What counts as one held-out case, and whether it is new: states are not cases."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from the_experiment.base.seeds import Integers
from the_experiment.worlds import EXACT
from the_experiment.worlds.world import World

Truths = npt.NDArray[np.bool_]
# Right or not, or the share of tie-breaks in which something is.
Scalar = TypeVar("Scalar", np.bool_, np.float64)

MOST_CODES = 2**62  # that 64 bits hold; the different rows of two columns are far fewer


@dataclass(frozen=True)
class Guesses:
    """What is to be guessed in each of n states or cases: the parts that are new there."""

    guessed: Truths  # (n, parts) which parts
    answers: Integers  # (n, parts) the right values, of all parts
    values: Integers  # (m, parts) the right values in every state, seen or held out

    def __getitem__(self, which: Integers | Truths) -> Guesses:
        return Guesses(self.guessed[which], self.answers[which], self.values)


@dataclass(frozen=True)
class Combinations:
    """Cases of one kind: the values of the same inputs, in which the same parts are new."""

    asked: Mapping[str, Truths]  # by part: the states (n,) in which it must be right
    of_state: Integers  # (n,) the number of each state's case; -1 where it has none of this kind
    new: Truths  # (cases,) whether nobody was shown it
    keys: Sequence[Hashable]  # of each case, the same on every split
    guesses: Guesses  # for each case

    def right(self, of: Callable[[str], npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
        """(cases,): how right a case is; see `Cases.right`."""
        parts = [np.where(asked, of(part), True) for part, asked in self.asked.items()]
        return self.least(np.multiply.reduce(parts))

    def part_right(self, part: str, states: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """(cases,): how right a case is in one part; see `Cases.part_right`."""
        return self.least(np.where(self.asked.get(part, True), states, True))

    def least(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """(cases,): the smallest value (n,) among a case's states; of truths, if all hold."""
        found = np.ones(len(self.new), dtype=values.dtype)
        inside = self.of_state >= 0
        np.minimum.at(found, self.of_state[inside], values[inside])
        return found


@dataclass(frozen=True)
class Cases:
    """The cases that n held-out states come down to. States of one case ask the same thing."""

    kinds: tuple[Combinations, ...]

    @property
    def new(self) -> Truths:
        """(cases,): whether nobody was shown it."""
        return np.concatenate([kind.new for kind in self.kinds])

    @property
    def keys(self) -> list[Hashable]:
        """Of each case what it is made of, the same on every split."""
        return [key for kind in self.kinds for key in kind.keys]

    @functools.cached_property
    def guesses(self) -> Guesses:
        """For each case."""
        found = [kind.guesses for kind in self.kinds]
        return Guesses(
            np.concatenate([one.guessed for one in found]),
            np.concatenate([one.answers for one in found]),
            found[0].values,
        )

    def __len__(self) -> int:
        return len(self.new)

    def right(self, of: Callable[[str], npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
        """(cases,): whether a case is right, given for each part in which states (n,) that is.

        Given shares of tie-breaks: parts break theirs independently, so that shares multiply; of
        several states the smallest counts, which is no less than the share of all of them.
        """
        return np.concatenate([kind.right(of) for kind in self.kinds])

    def part_right(self, part: str, states: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """(cases,): how right a case is in one part, which is in these states (n,); see `right`."""
        return np.concatenate([kind.part_right(part, states) for kind in self.kinds])

    def least(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """(cases,): the smallest value (n,) among a case's states; of truths, if all hold."""
        return np.concatenate([kind.least(values) for kind in self.kinds])


def cases_of(world: World, parts: Sequence[str], seen: Integers, held_out: Integers) -> Cases:
    """The cases of these parts together.

    A part's case is the value of every input that its rule reads, also through other rules. It is
    new if no seen state has it, and one case however many states have it: hiding a quadrant hides
    one case of one rule. Where a rule is new only since another is that reads some of its inputs,
    the case is the other's. A case is right if in all of its states all parts are, but for those
    that are new there in a case of their own. Where every part was seen in its own case, what is
    left to ask is their combination: a case, new if no seen state has it. There are never more new
    cases than states that differ in what is read.

    >>> from the_experiment.worlds import find_world
    >>> world = find_world("causal")
    >>> states = world.states()
    >>> quadrant = (states[:, 0] == 1) & (states[:, 2] == 1)
    >>> cases_of(world, world.rule_parts, states[~quadrant], states[quadrant]).new.tolist()
    [True]
    """
    asked, shown = (
        np.stack([world.cases(part, states) for part in parts], axis=1)
        for states in (held_out, seen)
    )
    columns = zip(asked.T, shown.T, strict=True)
    unseen = {part: ~np.isin(one, known) for part, (one, known) in zip(parts, columns, strict=True)}
    values = _values(world, parts, held_out, seen)
    apart = _by_rule(world, values, unseen, asked, shown)
    whole = _whole(values, unseen, asked, shown)
    return apart if apart.new.sum() <= whole.new.sum() else Cases((whole,))


def whole_cases(world: World, seen: Integers, held_out: Integers) -> Cases:
    """The cases of a completion as a whole: what a state means, new if no seen state means it."""
    asked, shown = (world.meanings(states)[:, None] for states in (held_out, seen))
    every = np.ones(len(asked), dtype=np.bool_)
    values = _values(world, world.parts, held_out, seen)
    guesses = _guesses(values, dict.fromkeys(world.parts, every))
    new = ~_among(asked, shown)
    return Cases((_combinations(EXACT, {EXACT: every}, asked, every, new, guesses),))


def _values(world: World, parts: Sequence[str], held_out: Integers, seen: Integers) -> Integers:
    """(m, parts) in all states, held-out ones first."""
    found = world.part_values(np.concatenate([held_out, seen]))
    return np.stack([found[part] for part in parts], axis=1)


def _by_rule(
    world: World,
    values: Integers,
    unseen: Mapping[str, Truths],
    asked: Integers,
    shown: Integers,
) -> Cases:
    """A kind for each set of inputs in which something is new, and one for what is seen in all."""
    parts = list(unseen)
    reads = {part: frozenset(world.reads(part)) for part in parts}
    new = np.ones(len(asked), dtype=np.bool_)
    kinds = []
    for inputs in dict.fromkeys(reads.values()):
        same = [part for part in parts if reads[part] == inputs]
        smaller = [unseen[part] for part in parts if reads[part] < inputs]
        own = np.logical_and.reduce([unseen[same[0]], *(~one for one in smaller)])
        column = asked[:, [parts.index(same[0])]]
        has_to = {part: ~unseen[part] | (reads[part] >= inputs) for part in parts}
        guesses = _guesses(values, {part: new & (part in same) for part in parts})
        kinds.append(_combinations(inputs, has_to, column, own, new, guesses))
    known = ~np.logical_or.reduce(list(unseen.values()))
    return Cases((*kinds, _whole(values, unseen, asked, shown, known)))


def _whole(
    values: Integers,
    unseen: Mapping[str, Truths],
    asked: Integers,
    shown: Integers,
    which: Truths | None = None,
) -> Combinations:
    """Every combination of the parts' cases as a case, in all states or in some."""
    every = np.ones(len(asked), dtype=np.bool_)
    any_new = np.logical_or.reduce(list(unseen.values()))
    return _combinations(
        "whole",
        dict.fromkeys(unseen, every),
        asked,
        every if which is None else which,
        ~_among(asked, shown),
        _guesses(values, {part: one | ~any_new for part, one in unseen.items()}),
    )


def _guesses(values: Integers, guessed: Mapping[str, Truths]) -> Guesses:
    """For the first n states of all, given in which of them each part is guessed."""
    marked = np.stack(list(guessed.values()), axis=1)
    return Guesses(marked, values[: len(marked)], values)


def _combinations(
    kind: Hashable,
    asked: Mapping[str, Truths],
    values: Integers,
    which: Truths,
    new: Truths,
    guesses: Guesses,
) -> Combinations:
    """The different rows of `values` (n, columns) among some states (n,)."""
    first, number = distinct_rows(values[which])
    of_state = np.full(len(values), -1, dtype=np.int64)
    of_state[which] = number
    first = np.flatnonzero(which)[first]
    keys = [(kind, *row) for row in values[first].tolist()]
    return Combinations(asked, of_state, new[first], keys, guesses[first])


def _among(rows: Integers, others: Integers) -> Truths:
    """(n,): whether each row is one of the others."""
    _, number = distinct_rows(np.concatenate([rows, others]))
    return np.isin(number[: len(rows)], number[len(rows) :])


def distinct_rows(rows: Integers | Truths) -> tuple[Integers, Integers]:
    """Where each different row stands first, in lexicographic order, and which of them each is.

    numpy's `unique` along an axis gives the same and takes ten times as long.

    >>> first, number = distinct_rows(np.array([[1, 0], [0, 7], [1, 0]]))
    >>> first.tolist(), number.tolist()
    ([1, 0], [1, 0, 1])
    """
    code, size = np.zeros(len(rows), dtype=np.int64), 1  # of the columns so far, and how many
    for column in rows.T.astype(np.int64) if len(rows) else ():
        low = int(column.min())
        span = int(column.max()) - low + 1
        if size * span > MOST_CODES:
            (code, size), (column, span), low = _ranks(code), _ranks(column), 0
        code, size = code * span + (column - low), size * span
    _, first, number = np.unique(code, return_index=True, return_inverse=True)
    return first, number


def _ranks(values: Integers) -> tuple[Integers, int]:
    """Each value's place among the different ones, and how many those are."""
    different, ranks = np.unique(values, return_inverse=True)
    return ranks, len(different)
