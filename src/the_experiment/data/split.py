"""The split behind a data set, found again from its manifest alone, and how its rows are drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers, Stream
from the_experiment.data.cases import Cases, cases_of
from the_experiment.data.folder import DatasetManifest
from the_experiment.data.holdout import HoldOut
from the_experiment.worlds import find_world
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.world import MOST_STATES, World

CHUNK = 50_000  # rows drawn at a time
LISTED = 2**16  # worlds up to this size are listed; in larger ones held-out draws are drawn again


def seen_states(
    world: World, hold_out: HoldOut, held_out: Integers, seed: int, rows: int
) -> Integers:
    """The distinct states of so many training rows: shape (n, inputs)."""
    chunks = Draw(world, hold_out, held_out, seed).chunks("train", rows)
    return world.states_at(np.unique(np.concatenate([np.unique(chunk) for chunk in chunks])))


class Draw:
    """The states that the rows of each split are drawn from: all but the held-out ones.

    `seen` lists them where the world is small, or mostly held out; elsewhere it is None.
    """

    def __init__(self, world: World, hold_out: HoldOut, held_out: Integers, seed: int) -> None:
        self.world = world
        self.hold_out = hold_out
        self.held_out = held_out  # what `hold_out` resolves to
        self.seed = seed
        listed = world.size <= LISTED or 2 * len(held_out) > world.size
        self.seen = np.setdiff1d(np.arange(world.size), held_out) if listed else None

    def chunks(self, split: str, rows: int) -> Iterator[Integers]:
        """The numbers of the states of each row, `CHUNK` rows at a time."""
        stream = Stream(self.seed, split)
        for start in range(0, rows, CHUNK):
            yield self._drawn(stream, min(CHUNK, rows - start))

    def _drawn(self, stream: Stream, count: int) -> Integers:
        if self.seen is not None:
            return self.seen[stream.below(len(self.seen), count)]
        drawn = np.zeros(0, dtype=np.int64)
        while len(drawn) < count:  # draw again in place of the held-out ones
            more = self.world.indices(self.world.sample(count - len(drawn), stream))
            drawn = np.concatenate([drawn, more[~self._holds_out(more)]])
        return drawn

    def _holds_out(self, numbers: Integers) -> npt.NDArray[np.bool_]:
        if self.world.size > MOST_STATES:
            return self.hold_out.includes(self.world, self.seed, numbers)
        return np.isin(numbers, self.held_out)


FEW = 2**12  # prompts that are read one by one; more are looked up among those of all states …
MOST_LISTED = 2**20  # … where there are no more than these


@dataclass(frozen=True)
class HeldOutMeanings:
    """What held-out states mean; twins mean the same."""

    meanings: int  # distinct ones
    unseen: int  # … that no training row has
    seen_twins: int  # held-out states that mean the same as one in a training row
    twins_of_named: int  # … as a sequence that was named to be held out, but for that one itself


class Split:
    """Which states a model was trained on, and which were held out from it.

    The rows are drawn again from the seed, so that a run needs only the manifest of its data, not
    the data, which may have been replaced since.
    """

    def __init__(self, manifest: DatasetManifest) -> None:
        self.manifest = manifest

    @cached_property
    def key(self) -> str:
        """Equal for splits of the same world into the same seen and held-out states.

        How often a state stands in the rows, and in which order, makes no other split.
        """
        digest = hashlib.sha256(self.world.identity.encode())
        for states in (self.seen, self.held_out):
            digest.update(b"%d:" % len(states) + states.tobytes())
        return digest.hexdigest()

    @cached_property
    def world(self) -> World:
        """The world that the data was made from, as it was then."""
        if self.manifest.world_text:
            return world_from_text(self.manifest.world_text, f"world {self.manifest.world}")
        return find_world(self.manifest.world)

    @cached_property
    def held_out(self) -> Integers:
        """The held-out states: shape (n, inputs)."""
        return self.world.states_at(self._held_out_indices)

    @cached_property
    def seen(self) -> Integers:
        """The distinct states of the training rows: shape (n, inputs)."""
        manifest = self.manifest
        return seen_states(
            self.world,
            manifest.hold_out,
            self._held_out_indices,
            manifest.seed,
            manifest.rows["train"],
        )

    def cases(self, parts: Sequence[str]) -> Cases:
        """The cases of these parts that the held-out states come down to."""
        return cases_of(self.world, parts, self.seen, self.held_out)

    @cached_property
    def held_out_meanings(self) -> HeldOutMeanings:
        """How much of what is held out is new, whatever the names and words."""
        held_out, seen = self.world.meanings(self.held_out), self.world.meanings(self.seen)
        named = self.world.meanings(self.world.states_of(self.manifest.hold_out.sequences))
        return HeldOutMeanings(
            *_new(held_out, seen),
            seen_twins=int(np.isin(held_out, seen).sum()),
            twins_of_named=int(np.isin(held_out, named).sum()) - len(named),
        )

    def holds_out(self, prompt: str) -> bool:
        """Whether this sequence was held out."""
        if self.world.size <= MOST_STATES or prompt in self.manifest.held_out:
            return prompt in self.manifest.held_out
        try:
            numbers = self.world.indices(self.world.state(prompt))
        except UsageError:
            return False
        return bool(self.manifest.hold_out.includes(self.world, self.manifest.seed, numbers)[0])

    def shows(self, prompt: str) -> bool:
        """Whether this sequence stands in a training row.

        Large worlds have some in no split, and any program is answered, drawn or not.
        """
        try:
            state = self.world.state(prompt)
        except UsageError:
            return False
        return bool((self.seen == state).all(axis=1).any())

    def new_parts(self, prompt: str) -> list[str] | None:
        """The parts of which no training row has the case that this sequence is.

        None for a program that was not drawn.
        """
        try:
            state = self.world.state(prompt)
        except UsageError:
            return None
        return [
            part
            for part in self.world.parts
            if self.world.cases(part, state)[0] not in self._seen_cases[part]
        ]

    @cached_property
    def _seen_cases(self) -> dict[str, set[int]]:
        return {part: {*self.world.cases(part, self.seen).tolist()} for part in self.world.parts}

    @cached_property
    def _held_out_indices(self) -> Integers:
        listed = len(self.manifest.held_out) > FEW and self.world.size <= MOST_LISTED
        prompts = self.world.prompts(self.world.states()) if listed else []
        numbers = {prompt: number for number, prompt in enumerate(prompts)}
        found = [
            numbers[one] if one in numbers else self.world.indices(self.world.state(one))[0]
            for one in self.manifest.held_out
        ]
        return np.sort(np.array(found, dtype=np.int64))


def _new(held_out: Integers, seen: Integers) -> tuple[int, int]:
    """How many different numbers are held out, and how many of those are not among the seen."""
    distinct = np.unique(held_out)
    return len(distinct), int((~np.isin(distinct, seen)).sum())
