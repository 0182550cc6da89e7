"""Hold-outs: which states nobody is trained on. A split is by state, never by row."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.seeds import Integers, Stream, shares
from the_experiment.base.strict import Strict
from the_experiment.worlds.language import RuleError, parse
from the_experiment.worlds.tree import DivisionByZeroError, Tree, bounds, evaluate, names_in
from the_experiment.worlds.world import MOST_STATES, World

CHUNK = 2**18  # states at a time that a condition is evaluated in, or that are given meanings
SAMPLE = 10_000  # held-out states that are drawn where there are too many states to list
MOST_DRAWS = 2**22  # to find them
FEWEST_SEEN = 0.001  # the share of states to be left there: training rows are drawn until one is

By = Literal["meaning", "text"]


class HoldOut(Strict):
    """What is held out, as asked for: the union of sequences, a random share and a condition.

    By meaning, the share is of all distinct meanings, and every state that means the same as a
    held-out one is held out with it. By text, a state may be seen that means the same.

    Above 2^24 states nothing is listed: whether a state is held out is decided for it alone, and
    `resolve` gives a sample of those that are.

    >>> from the_experiment.worlds import find_world
    >>> HoldOut(sequences=("1,0,1,0,1",)).resolve(find_world("causal"), seed=0).tolist()
    [21]
    >>> len(HoldOut(where="A AND C").resolve(find_world("causal"), seed=0))
    8
    """

    sequences: tuple[str, ...] = ()
    fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    where: str = ""
    by: By = "meaning"

    @classmethod
    def parse(
        cls,
        sequences: str | None,
        fraction: float = 0.0,
        where: str | None = None,
        by: By = "meaning",
    ) -> HoldOut:
        """A hold-out from words; sequences have `;` between them, empty ones are left out.

        None asks for nothing, while a blank is refused: it is a shell variable that was never set.

        >>> HoldOut.parse("1,1,1,1,1;0,0,0,0,0;").sequences
        ('1,1,1,1,1', '0,0,0,0,0')
        """
        if not 0 <= fraction < 1:
            raise UsageError(f"a share of {fraction} can't be held out", "give a share in [0, 1)")
        parts = (sequences or "").split(";")
        named = tuple(dict.fromkeys(part for part in parts if part.strip()))
        if sequences is not None and not named:
            raise UsageError(f"{sequences!r} names no sequence", "write 'SEQ;SEQ', or leave it out")
        if where is not None and not where.strip():
            raise UsageError(
                f"{where!r} is not a condition", "write one such as 'A AND C', or leave it out"
            )
        return cls(sequences=named, fraction=fraction, where=where or "", by=by)

    def resolve(self, world: World, seed: int) -> Integers:
        """The numbers of the held-out states, sorted, each once; of many, a sample of some 10,000.

        Raises `UsageError` for a sequence or condition that is none of this world's, and where
        nothing would be left to train on; `ExperimentError` where there are too many states to look
        for those that mean the same.
        """
        if world.size > MOST_STATES:
            return self._sample(world, seed)
        found = [world.indices(world.state(sequence)) for sequence in self.sequences]
        if self.fraction:
            found.append(self._share(world, seed))
        if self.where:
            found.append(self._where(world))
        held_out = np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
        if found and not len(held_out):
            raise UsageError(
                f"{self} holds out none of the {world.size} states of world {world.name}",
                "hold out more, or nothing at all",
            )
        named = len(held_out)
        if self.by == "meaning":
            held_out = with_twins(world, held_out)
        if len(held_out) >= world.size:
            twins = ", with those that mean the same" if named < len(held_out) else ""
            raise UsageError(
                f"all {world.size} states of world {world.name} would be held out{twins}",
                "leave some to train on",
            )
        return held_out

    def includes(self, world: World, seed: int, numbers: Integers) -> npt.NDArray[np.bool_]:
        """Whether each state of these numbers is held out: shapes (n,) and (n,).

        For worlds of more than 2^24 states; in smaller ones `resolve` draws a share exactly.
        """
        by_meaning = self.by == "meaning"
        keys = world.meanings(world.states_at(numbers)) if by_meaning else numbers
        named = world.states_of(self.sequences)
        held_out = np.isin(keys, world.meanings(named) if by_meaning else world.indices(named))
        if self.fraction:
            held_out |= shares(keys, seed, "hold-out") < self.fraction
        if self.where:
            held_out |= _holds(self._condition(world), world, numbers)
        return held_out

    def _sample(self, world: World, seed: int) -> Integers:
        """Numbers of states that are held out in a large world; all that are named among them."""
        named = world.indices(world.states_of(self.sequences))
        if self.where and self.by == "meaning":
            self._refuse_unread(world)
        twins = self.sequences and self.by == "meaning" and world.has_twins
        if not (self.fraction or self.where or twins):
            return np.unique(named)
        found, stream, draws, seen = named, Stream(seed, "held-out sample"), 0, 0
        while len(found) < len(named) + SAMPLE and draws < MOST_DRAWS:
            numbers = world.indices(world.sample(CHUNK, stream))
            held_out = self.includes(world, seed, numbers)
            found = np.concatenate([found, numbers[held_out]])
            draws, seen = draws + CHUNK, seen + int((~held_out).sum())
        if not len(found):
            raise UsageError(
                f"{self} holds out none of {draws:,} states drawn from world {world.name}",
                "hold out more, or nothing at all",
            )
        if seen < draws * FEWEST_SEEN:
            raise UsageError(
                f"{self} would leave {seen:,} of {draws:,} states drawn from world {world.name}",
                "leave more to train on",
            )
        return np.unique(found[: len(named) + SAMPLE])

    def _refuse_unread(self, world: World) -> None:
        """A condition on what no part reads may hold for one of two states that mean the same."""
        names = {name.name for name in names_in(self._condition(world))} - {*world.parts}
        needed = {
            one
            for name in names
            for one in ([name] if name in world.inputs else world.depends_on(name))
        }
        unread = needed.difference(*[world.reads(part) for part in world.parts])
        if unread:
            raise ExperimentError(
                f"world {world.name}: {world.size:,} states, more than 2^24, can't be searched for "
                f"those that mean the same: no part reads {', '.join(sorted(unread))}",
                "leave that out of the condition, or use --hold-out-by text",
            )

    def _share(self, world: World, seed: int) -> Integers:
        """A random share of the distinct meanings, or of all states."""
        choice = one_of_each_meaning(world) if self.by == "meaning" else world.numbers()
        count = round(self.fraction * len(choice))
        return choice[Stream(seed, "hold-out").shuffled(len(choice))[:count]]

    def _condition(self, world: World) -> Tree:
        try:
            tree = parse(self.where)
        except RuleError as error:
            raise _refused(error.column, error.what) from None
        constants = world.constants(world.states_at(np.zeros(1, dtype=np.int64)))
        known = [*world.inputs, *world.output_bounds, *constants]
        for name in names_in(tree):
            if name.name not in known:
                what = f"unknown name {name.name!r}; known are {', '.join(known)}"
                raise _refused(name.column, what)
        return tree

    def _where(self, world: World) -> Integers:
        tree = self._condition(world)
        numbers = world.numbers()
        chunks = (numbers[start : start + CHUNK] for start in range(0, world.size, CHUNK))
        return np.concatenate([chunk[_holds(tree, world, chunk)] for chunk in chunks])

    def __str__(self) -> str:
        told = [*self.sequences]
        told += [f"a random {100 * self.fraction:g}% of all states"] if self.fraction else []
        told += [f"every state where {self.where}"] if self.where else []
        told += ["by text"] if told and self.by == "text" else []
        return "; ".join(told) or "nothing"


def one_of_each_meaning(world: World) -> Integers:
    """The number of the first state of each meaning, sorted.

    Raises `ExperimentError` above 2^24 states.
    """
    numbers = world.numbers()
    if not world.has_twins:
        return numbers
    return np.sort(np.unique(_meanings(world), return_index=True)[1])


def with_twins(world: World, numbers: Integers) -> Integers:
    """The numbers of these states and of all that mean the same as one of them, sorted.

    Raises `ExperimentError` above 2^24 states, if some mean the same.
    """
    if not (len(numbers) and world.has_twins):
        return numbers
    meanings = _meanings(world)
    return np.flatnonzero(np.isin(meanings, meanings[numbers]))


def _meanings(world: World) -> Integers:
    """The meaning of every state, found some at a time, as states take more room than numbers."""
    if world.size > MOST_STATES:
        raise ExperimentError(
            f"world {world.name}: {world.size:,} states, more than 2^24, can't be searched for "
            "those that mean the same",
            "use smaller inputs, drop those that no part reads, or use --hold-out-by text",
        )
    chunks = np.array_split(world.numbers(), -(-world.size // CHUNK))
    return np.concatenate([world.meanings(world.states_at(chunk)) for chunk in chunks])


def _holds(tree: Tree, world: World, numbers: Integers) -> npt.NDArray[np.bool_]:
    states = world.states_at(numbers)
    inputs = dict(zip(world.inputs, states.T, strict=True))
    values = {**inputs, **world.evaluate(states), **world.constants(states)}
    try:
        bounds(tree, {name: (int(value.min()), int(value.max())) for name, value in values.items()})
        holds: npt.NDArray[np.bool_] = evaluate(tree, values, len(states)) != 0
        return holds
    except OverflowError as error:
        raise _refused(1, str(error)) from None
    except DivisionByZeroError as error:
        prompt = world.prompts(states[[error.row]])[0]
        raise _refused(error.column, f"division by zero in state {prompt!r}") from None


def _refused(column: int, what: str) -> UsageError:
    return UsageError(f"the condition, column {column}: {what}")
