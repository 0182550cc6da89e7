"""The rows of a tuning: read, checked to the last one, and made tokens with their labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from the_experiment.base.choices import Chat
from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl
from the_experiment.data.folder import checked_rows
from the_experiment.models.asking import asked_text
from the_experiment.models.texts import Encoded, encode, unknown_in
from the_experiment.training.rows import IGNORED

SHORTEN = "shorten or remove that row, or tune a model with more positions"
KNOWN = "remove that row, or tune a model that was trained on such texts"
FILL = "write a text, or remove that row"

Labelled = dict[str, list[int]]  # `input_ids` and `labels`, as trl's trainer takes them


@dataclass(frozen=True)
class TuningRows:
    """The rows of a file: their texts, the prompt as it is put to the model, and their tokens."""

    pairs: list[tuple[str, str]]
    encoded: list[Encoded]

    def labelled(self, *, completion_only: bool) -> list[Labelled]:
        """Each row with the tokens that carry a loss as labels; the end token always does."""
        return [
            {
                "input_ids": [*one.ids],
                "labels": [
                    *([IGNORED] * len(one.prompt) if completion_only else one.prompt),
                    *one.completion,
                ],
            }
            for one in self.encoded
        ]


def read_tuning_rows(
    path: Path, tokenizer: PreTrainedTokenizerBase, positions: int | None, chat: Chat = "auto"
) -> TuningRows:
    """The rows of a JSONL file with the columns `prompt` and `completion`, in their order.

    Prompt and completion are made tokens each alone, so that a prompt is the same when the model
    is asked; trl would let tokens grow together where they meet. Raises `ExperimentError` with the
    number of the line for a torn line, a column that is missing or empty, characters that the
    tokenizer doesn't know, and more tokens than `positions` (None: there is room for any number).
    """
    if not path.is_file():
        raise ExperimentError(f"there is no file {path}", "give rows of prompt and completion")
    rows = checked_rows(read_jsonl(path), str(path))
    if not rows:
        raise ExperimentError(f"{path} has no rows", "write an object a line into it")
    pairs, encoded = [], []
    for number, row in enumerate(rows, start=1):
        prompt, completion = row["prompt"], row["completion"]
        where = f"{path}, line {number}"
        for key in ("prompt", "completion"):
            if not row[key].strip():
                raise ExperimentError(f"{where} has an empty {key}", FILL)
        asked = asked_text(tokenizer, prompt, chat)
        one = encode(tokenizer, asked, completion)
        for what, hint in _harms(one, asked + completion, tokenizer, positions):
            raise ExperimentError(f"{where} {what}", hint)
        pairs.append((asked, completion))
        encoded.append(one)
    return TuningRows(pairs, encoded)


def _harms(
    row: Encoded, text: str, tokenizer: PreTrainedTokenizerBase, positions: int | None
) -> Iterator[tuple[str, str]]:
    """Why a model can't learn from this row, and what to do about it."""
    if positions is not None and len(row.ids) > positions:
        yield f"has {len(row.ids)} tokens, for the {positions} positions of the model", SHORTEN
    lost = unknown_in(tokenizer, text)
    if lost:
        yield f"has characters that the model does not know ({lost})", KNOWN
