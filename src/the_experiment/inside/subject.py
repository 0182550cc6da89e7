"""What is looked into: a trained model with its world, and hooks on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers, Stream
from the_experiment.evaluation.statistics import join_names
from the_experiment.evaluation.trained import Trained, named_model, named_models
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.texts import TokenizedExample, world_text
from the_experiment.inside.validation import validated
from the_experiment.worlds import World

MOST_REFERENCES = 64
FEWEST = 3  # models of a family, for a distribution over them
OURS = "the-experiment-"  # what our own model types begin with


class Subject:
    """One trained model, hooked, and the world it was trained on."""

    def __init__(self, trained: Trained) -> None:
        self.trained = trained
        self.world: World = trained.split.world

    @property
    def name(self) -> str:
        """The run's name."""
        return self.trained.name

    @property
    def family(self) -> str:
        """The kind of model: gpt2, rnn, cnn, llama, …"""
        return str(self.hooked.model.config.model_type).removeprefix(OURS)

    @cached_property
    def hooked(self) -> HookedModel:
        """The model with the table of its sites, which is held against it.

        It runs in float32: numpy knows no bfloat16, and sums of its values would hardly add up.
        Raises `ExperimentError` where the table does not fit.
        """
        model, _ = self.trained.loaded
        model.config.dtype = torch.float32  # of what is made after it, too
        return validated(HookedModel(model.to("cpu").float()))

    @cached_property
    def references(self) -> list[TokenizedExample]:
        """Some seen states' texts, which others are compared with."""
        return self.texts(self.drawn(MOST_REFERENCES, seed=0)["seen"])

    def text(self, prompt: str, completion: str | None = None) -> TokenizedExample:
        """A prompt with a completion, the right one if none is given.

        Raises `UsageError` for what is no prompt of the world.
        """
        right = self.world.answer(prompt)
        _, tokenizer = self.trained.loaded
        return world_text(
            tokenizer, self.world, prompt, right if completion is None else completion
        )

    def states(self) -> tuple[Integers, Integers]:
        """The seen and the held-out states of its split."""
        return self.trained.split.seen, self.trained.split.held_out

    def drawn(self, most: int, seed: int) -> dict[str, Integers]:
        """Seen and held-out states, at most so many of each, drawn by `seed`; none where none are.

        The states of a split are in order, so that its first ones would be all alike.
        """
        kinds = dict(zip(("seen", "held-out"), self.states(), strict=True))
        return {
            kind: states[np.sort(Stream(seed, "states", kind).shuffled(len(states))[:most])]
            for kind, states in kinds.items()
            if len(states)
        }

    def texts(self, states: Integers) -> list[TokenizedExample]:
        """Each state's prompt with the right completion."""
        return [self.text(prompt) for prompt in self.world.prompts(states)]


def families(subjects: Sequence[Subject]) -> dict[str, list[Subject]]:
    """The models of each kind, where there are enough to speak of how they are distributed."""
    found: dict[str, list[Subject]] = {}
    for subject in subjects:
        found.setdefault(subject.family, []).append(subject)
    return {family: some for family, some in found.items() if len(some) >= FEWEST}


def find_subjects(names: Sequence[str], out: Path) -> list[Subject]:
    """The trained models of these names or folders; `*` in a name stands for any characters.

    Raises `UsageError` for a name that there is not, and for models of different worlds, and
    `ExperimentError` for one that is torn; where `*` stands for several, it is left out.
    """
    subjects = [Subject(trained) for trained in named_models(names, out)]
    of_first = [one.name for one in subjects if one.world.same_as(subjects[0].world)]
    for subject in subjects:
        if not subject.world.same_as(subjects[0].world):
            raise UsageError(
                f"{subjects[0].name} is of world {subjects[0].world.name}, {subject.name} of "
                f"{'another version of ' * (subject.world.name == subjects[0].world.name)}"
                f"{subject.world.name}",
                f"name models of one world with --model, such as {join_names(of_first)}",
            )
    return subjects


def find_subject(name_or_folder: str, out: Path) -> Subject:
    """The trained model of this name in `out`, or in this folder.

    Raises `UsageError` for none, and `ExperimentError` for one that is not finished.
    """
    return Subject(named_model(name_or_folder, out))
