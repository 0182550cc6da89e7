"""The split behind a data set, found again from its manifest alone: seen and held-out states."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers
from the_experiment.data.draw import seen_states
from the_experiment.data.folder import Manifest
from the_experiment.worlds import World, find_world
from the_experiment.worlds.files import world_from_text


class Split:
    """Which states a model was trained on, and which were held out from it.

    The rows are drawn again from the seed, so that a run needs only the manifest of its data, not
    the data, which may have been replaced since.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    @cached_property
    def key(self) -> str:
        """Equal for splits of the same world into the same seen and held-out states."""
        kept = {"world", "world_text", "seed", "held_out", "rows"}
        return self.manifest.model_dump_json(include=kept)

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
        rows = self.manifest.rows["train"]
        return seen_states(self.world, self._held_out_indices, self.manifest.seed, rows)

    def holds_out(self, prompt: str) -> bool:
        """Whether this sequence was held out."""
        return prompt in set(self.manifest.held_out)

    def shows(self, prompt: str) -> bool:
        """Whether this sequence stands in a training row.

        Large worlds have some in no split, and any program is answered, drawn or not.
        """
        try:
            state = self.world.state(prompt)
        except UsageError:
            return False
        return bool((self.seen == state).all(axis=1).any())

    @cached_property
    def _held_out_indices(self) -> Integers:
        states = [self.world.state(prompt) for prompt in self.manifest.held_out]
        if not states:
            return np.zeros(0, dtype=np.int64)
        return np.sort(self.world.indices(np.concatenate(states)))
