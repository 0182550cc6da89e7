"""Drawing rows: which state stands in each row of a split. The same seed draws the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from the_experiment.base.seeds import Integers, Stream
from the_experiment.worlds.world import World

CHUNK = 50_000  # rows drawn at a time
LISTED = 2**16  # worlds up to this size are listed; in larger ones held-out draws are drawn again


def seen_states(world: World, held_out: Integers, seed: int, rows: int) -> Integers:
    """The distinct states of so many training rows: shape (n, inputs)."""
    chunks = Draw(world, held_out, seed).chunks("train", rows)
    return world.states_at(np.unique(np.concatenate([np.unique(chunk) for chunk in chunks])))


class Draw:
    """The states that the rows of each split are drawn from: all but the held-out ones.

    `seen` lists them where the world is small, or mostly held out; elsewhere it is None.
    """

    def __init__(self, world: World, held_out: Integers, seed: int) -> None:
        self.world = world
        self.held_out = held_out
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
            drawn = np.concatenate([drawn, more[~np.isin(more, self.held_out)]])
        return drawn
