"""Prompts of one's own, or of a benchmark: a JSONL file, and the answers in it if it has any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel, ConfigDict, ValidationError

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.tables import read_table
from the_experiment.base.words import counted
from the_experiment.worlds.causal.puzzle import Puzzle
from the_experiment.worlds.causal.writing import is_right, read_answer
from the_experiment.worlds.questions.reading import MARK, question_text

ASKED = ("prompt", "question", "problem")  # columns that a prompt is looked for in, in this order


class Prompt(BaseModel):
    """What is asked, the right answer where it is known, and the row that it comes from.

    >>> prompt = Prompt(text="2 apples and 3 apples?", answer="5", row={})
    >>> prompt.right("<think>\\n2 + 3\\n</think>\\n5."), prompt.right("<think>\\n2 + 3 = 5")
    (True, False)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    answer: str | None
    row: dict[str, Any]

    def right(self, written: str) -> bool | None:
        """Whether what was written ends in the right answer; None where that is not known.

        A causal puzzle is graded as puzzles are. Any other answer is the first line after the
        trace: the same number, or the same words in any case.
        """
        if self.answer is None:
            return None
        try:
            return is_right(Puzzle.model_validate(self.row), written)
        except ValidationError:  # no puzzle
            found = read_answer(written)
            return found is not None and _plain(found) == _plain(self.answer)


def read_prompts(path: Path, limit: int = 0) -> list[Prompt]:
    """The prompts of a file, or the first `limit` of them (0: all); each text once.

    A row has a text as `prompt`, `question` or `problem`, and may have an `answer`. Raises
    `UsageError` for a file without any, and `ExperimentError` with the number of a line that is
    torn or has no prompt.
    """
    prompts: dict[str, Prompt] = {}
    rows = read_table(path).placed()
    for where, row in rows:
        prompt = Prompt(text=_text(row, where), answer=_answer(row), row=row)
        prompts.setdefault(prompt.text, prompt)
    if not prompts:
        raise UsageError(f"{path} has no rows", "write some into it")
    if len(prompts) < len(rows):
        again = counted(len(rows) - len(prompts), "row")
        logger.warning("{} of {} ask what another asks, and are left out", again, path)
    return list(prompts.values())[: limit or None]


def _text(row: Mapping[str, Any], where: str) -> str:
    for column in ASKED:
        if isinstance(row.get(column), str) and row[column].strip():
            text = question_text(row, where) if column == "question" else row[column]
            return str(text).strip()
    raise ExperimentError(f"{where} has no text {', '.join(ASKED[:-1])} or {ASKED[-1]}")


def _answer(row: Mapping[str, Any]) -> str | None:
    answer = row.get("answer")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        return None
    return str(answer).rpartition(MARK)[2].strip() or None


def _plain(answer: str) -> str:
    """An answer without what does not count: case, thousands, currency, a last full stop."""
    text = answer.strip().removesuffix(".").casefold()
    digits = text.replace(",", "").lstrip("$€£ ")
    try:
        return repr(float(digits))
    except ValueError:
        return text
