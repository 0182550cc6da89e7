"""One sequence, answered by the rules and by every trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.trained import Trained, of_world
from the_experiment.worlds.world import World


@dataclass(frozen=True)
class ModelAnswer:
    """What one model wrote, and whether it had been shown this sequence."""

    model: str
    completion: Completion
    held_out: bool
    seen: bool  # neither: it was not held out, but stands in no training row either
    new_parts: list[str] | None  # of which its training rows lack this case; None: nobody knows

    @property
    def shown(self) -> str:
        """The same in words."""
        if self.seen:
            return "seen in training"
        where = "held out" if self.held_out else "in no training row"
        if self.new_parts is None:
            return where
        return f"{where}, new: {', '.join(self.new_parts) or 'no part'}"


@dataclass(frozen=True)
class Answers:
    """The right answer to a prompt, and each model's."""

    world: World
    prompt: str
    right: str
    models: list[ModelAnswer]

    def as_json(self) -> dict[str, Any]:
        """The answers as plain values, in the form that `test --json` prints."""
        truth = {part: span.value for part, span in self.world.spans(self.right).items() if span}
        return {
            "prompt": self.prompt,
            "world": self.world.name,
            "rule": {"completion": self.right, "parts": truth},
            "models": {answer.model: _model_json(answer) for answer in self.models},
        }


def answer(prompt: str, models: Sequence[Trained]) -> Answers:
    """The answers of all models to one prompt.

    The world is that of the first model in which this is a prompt; models of others are left out.
    Raises `UsageError`, with an example of each world, where it is a prompt in none of them.
    """
    world = _world_of(prompt, [model.split.world for model in models])
    return Answers(
        world,
        prompt,
        world.answer(prompt),
        [
            ModelAnswer(
                model.name,
                model.complete([prompt])[0],
                model.split.holds_out(prompt),
                model.split.shows(prompt),
                model.split.new_parts(prompt),
            )
            for model in of_world(models, world)
        ],
    )


def _world_of(prompt: str, worlds: Sequence[World]) -> World:
    refusals: dict[str, ExperimentError] = {}
    for world in worlds:
        try:
            world.answer(prompt)
        except ExperimentError as refusal:
            refusals[world.name] = refusal
        else:
            return world
    raise UsageError(
        "; ".join(refusal.what for refusal in refusals.values()),
        ", or ".join(refusal.hint for refusal in refusals.values()),
    )


def _model_json(answer: ModelAnswer) -> dict[str, Any]:
    completion = answer.completion
    return {
        "completion": completion.text,
        "parts": {
            part: {
                "written": grade.written,
                "expected": grade.expected,
                "correct": grade.correct,
                "probability": completion.probabilities.get(part),
            }
            for part, grade in completion.parts.items()
        },
        "correct": completion.exact,
        "held_out": answer.held_out,
        "new_parts": answer.new_parts,
        "logprob": completion.logprob,
    }
