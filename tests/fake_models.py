"""Models without a network: what they write is told to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.contestants import Contestant, Exam
from the_experiment.evaluation.verdict import Verdict
from the_experiment.evaluation.verdicts import Group, verdicts
from the_experiment.worlds import World
from the_experiment.worlds.parts import PartGrade

Outputs = Callable[[Integers], Mapping[str, Integers]]


class FakeModel:
    """Writes these outputs of the rules in every state, and what the completion makes of them.

    `missing` names parts that it leaves out, in these states.
    """

    def __init__(
        self, world: World, outputs: Outputs, name: str = "fake", **missing: Integers
    ) -> None:
        self.name, self._world, self._outputs, self._missing = name, world, outputs, missing

    def complete(self, prompts: Sequence[str]) -> list[Completion]:
        """One graded completion a prompt."""
        if not prompts:
            return []
        states = np.concatenate([self._world.state(prompt) for prompt in prompts])
        truth = self._world.part_values(states)
        written = self._world.parts_from(states, self._outputs(states))
        found = []
        for row, prompt in enumerate(prompts):
            grades = {
                part: PartGrade(
                    None if self._leaves_out(part, states[row]) else int(written[part][row]),
                    int(truth[part][row]),
                )
                for part in truth
            }
            exact = all(grade.correct for grade in grades.values())
            found.append(Completion(prompt, "", exact, grades, {}, 0.0))
        return found

    def _leaves_out(self, part: str, state: Integers) -> bool:
        return part in self._missing and bool((self._missing[part] == state).all(axis=1).any())


def exam_of(world: World, held_out: Integers) -> Exam:
    """Everything that is not held out is seen."""
    states = world.states()
    seen = np.delete(states, held_out, axis=0)
    return Exam(world, seen, states[held_out], seen)


def contestant(exam: Exam, model: FakeModel) -> Contestant:
    """The model's answers to the exam."""
    return exam.model(cast(Any, model))


def verdict_on(exam: Exam, *models: FakeModel) -> dict[str, Verdict]:
    """The verdict on one model, by line; several are seeds of it."""
    group = Group("fake", [contestant(exam, model) for model in models])
    return verdicts(exam, [group], exam.baselines())["fake"]
