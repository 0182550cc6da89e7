"""One model asked the programs of one length and number of hops: a cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from the_experiment.engine.cell import Cell
from the_experiment.evaluation.programs.config import ExperimentConfig
from the_experiment.evaluation.programs.drawing import Program
from the_experiment.worlds.programs.prompts import filled

TOO_LONG, NOT_KNOWN = "too long", "not known to it"  # why a program is not asked


class Response(BaseModel):
    """What a model wrote; None where it could not be asked, with the reason."""

    text: str | None
    reason: str = ""


@dataclass(frozen=True)
class Asked:
    """What one model is asked of one length and number of hops."""

    config: ExperimentConfig
    model: str
    weights: str  # which they are: a folder may hold others tomorrow
    seq_len: int
    num_hops: int | None
    programs: Sequence[Program]

    @property
    def prompts(self) -> list[str]:
        """What is asked, program by program."""
        return [filled(self.config.prompt_template, one.text) for one in self.programs]

    @property
    def cell(self) -> Cell:
        """Everything that the responses depend on."""
        hops = "" if self.num_hops is None else f" hops {self.num_hops}"
        return Cell(
            f"{Path(self.model).name} length {self.seq_len}{hops}",
            "the_experiment.evaluation.programs.cells:responses",
            {
                "prompts": self.prompts,
                "weights": self.weights,
                "answer_tokens": self.config.answer_tokens,
                "chat": self.config.chat,
                "dtype": self.config.dtype,
            },
        )


def responses(asked: Asked, loaded: Callable[[], tuple[Any, Any]]) -> list[dict[str, Any]]:
    """What the model responds to what it can be asked: `Response`s as JSON."""
    from the_experiment.models.asking import ask, no_room
    from the_experiment.models.texts import unknown_in

    model, tokenizer = loaded()
    tokens, chat = asked.config.answer_tokens, asked.config.chat

    def why_not(prompt: str) -> str:
        lost = unknown_in(tokenizer, prompt)
        harm = no_room(model, tokenizer, prompt, tokens, chat)
        if lost:
            return f"{NOT_KNOWN}: {lost}"
        return f"{TOO_LONG}: {harm}" if harm else ""

    reasons = [why_not(prompt) for prompt in asked.prompts]
    prompts = [prompt for prompt, why in zip(asked.prompts, reasons, strict=True) if not why]
    texts = iter(ask(model, tokenizer, prompts, tokens, chat))
    found = [
        Response(text=None, reason=why) if why else Response(text=next(texts)) for why in reasons
    ]
    return [one.model_dump() for one in found]
