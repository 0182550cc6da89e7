"""One model asked the programs of one length and number of hops: what lands in one file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, write_json
from the_experiment.evaluation.programs.config import ExperimentConfig
from the_experiment.evaluation.programs.drawing import Program
from the_experiment.worlds.programs.prompts import filled

TOO_LONG, NOT_KNOWN = "too long", "not known to it"  # why a program is not asked


class Response(BaseModel):
    """What a model wrote; None where it could not be asked, with the reason."""

    text: str | None
    reason: str = ""


class CellFile(BaseModel):
    """What a cell's file holds: a response to each program, in order. They are read later."""

    responses: list[Response]


@dataclass(frozen=True)
class Cell:
    """What one cell is made of. Cells that are the same in all of it have the same `key`."""

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
    def key(self) -> str:
        """A readable file name with a fingerprint of everything the responses depend on."""
        hops = "" if self.num_hops is None else f" hops {self.num_hops}"
        words = f"{Path(self.model).name} length {self.seq_len}{hops}"
        slug = re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-").lower()[:80]
        return f"{slug}-{self._fingerprint()}"

    def _fingerprint(self) -> str:
        made_of: dict[str, Any] = {
            "prompts": self.prompts,
            "weights": self.weights,
            "answer_tokens": self.config.answer_tokens,
            "chat": self.config.chat,
            "dtype": self.config.dtype,
            "version": version("the-experiment"),
        }
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:10]


def responses_in(place: Path, cell: Cell) -> list[Response] | None:
    """The responses in a cell's file; None where they have yet to be asked for."""
    if not place.is_file():
        return None
    try:
        found = CellFile.model_validate(read_json(place)).responses
    except (ExperimentError, ValidationError):
        found = []
    if len(found) != len(cell.programs):
        logger.warning("{} is not whole, so it is asked again", place)
        return None
    return found


def ask_cell(cell: Cell, place: Path, loaded: Callable[[], tuple[Any, Any]]) -> list[Response]:
    """Ask the model what it can be asked, and write the responses to `place`."""
    from the_experiment.models.asking import ask, no_room
    from the_experiment.models.texts import unknown_in

    model, tokenizer = loaded()
    tokens, chat = cell.config.answer_tokens, cell.config.chat

    def why_not(prompt: str) -> str:
        lost = unknown_in(tokenizer, prompt)
        harm = no_room(model, tokenizer, prompt, tokens, chat)
        if lost:
            return f"{NOT_KNOWN}: {lost}"
        return f"{TOO_LONG}: {harm}" if harm else ""

    reasons = [why_not(prompt) for prompt in cell.prompts]
    asked = [prompt for prompt, why in zip(cell.prompts, reasons, strict=True) if not why]
    texts = iter(ask(model, tokenizer, asked, tokens, chat))
    responses = [
        Response(text=None, reason=why) if why else Response(text=next(texts)) for why in reasons
    ]
    about = {"model": cell.model, "seq_len": cell.seq_len, "num_hops": cell.num_hops}
    write_json(place, about | CellFile(responses=responses).model_dump())
    return responses
