"""What a model is asked, and all that its answers depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from the_experiment.base.choices import ZeroOrMean
from the_experiment.experiments.questions.asking import Given, Style
from the_experiment.worlds.questions.question import Question

Answers = dict[str, list[Given]]  # by piece: an answer for each question

WHOLE = "nothing"  # what is taken out of the model as it is


class QuestionsRequest(BaseModel):
    """All that the answers depend on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    weights: str  # a fingerprint of the model's files, its tokenizer and template among them
    dtype: str
    questions: tuple[Question, ...]
    left_out: tuple[str, ...] = ()  # questions that the model has no room for
    style: Style
    max_new_tokens: int
    mode: ZeroOrMean
    seed: int
    version: str

    @property
    def fingerprint(self) -> str:
        """A hash of all of it but our version."""
        return hashlib.sha256(self.model_dump_json(exclude={"version"}).encode()).hexdigest()


def kinds_of_piece(pieces: Sequence[str]) -> dict[str, list[str]]:
    """Pieces by kind: those of `head:0.1` are `head`."""
    found: dict[str, list[str]] = {}
    for piece in pieces:
        found.setdefault(piece.partition(":")[0], []).append(piece)
    return found
