"""Many texts put to an endpoint with the same instructions, for a price that is told before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import ValidationError

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json, write_json
from the_experiment.base.names import refuse_no_name
from the_experiment.base.runs import TRACES
from the_experiment.base.strict import Strict
from the_experiment.base.tables import read_table
from the_experiment.base.words import counted
from the_experiment.models.endpoint import ChatRequest, Endpoint, Message, Reply
from the_experiment.models.replies import Replies
from the_experiment.worlds.causal.puzzle import Puzzle
from the_experiment.worlds.causal.writing import is_right, read_answer
from the_experiment.worlds.questions.reading import MARK, question_text

ASKED = ("prompt", "question", "problem")  # columns that a prompt is looked for in, in this order


class Prompt(Strict):
    """What is asked, the right answer where it is known, and the row that it comes from.

    >>> prompt = Prompt(text="2 apples and 3 apples?", answer="5", row={})
    >>> prompt.right("<think>\\n2 + 3\\n</think>\\n5."), prompt.right("<think>\\n2 + 3 = 5")
    (True, False)
    """

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
        logger.warning("{} of {} repeat another question, and are left out", again, path)
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


REQUEST, REPLIES = "request.json", "replies"
CHARACTERS = 4  # of English text to a token, roughly
MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """What a million tokens cost, in any currency; None where nobody said."""

    read: float | None = None
    written: float | None = None


@dataclass(frozen=True)
class Cost:
    """Tokens read and written for so many prompts, and what they come to.

    >>> print(Cost(20, 3_000, 40_960, Price(2.0, 8.0)))
    20 prompts, 3,000 tokens read and 40,960 written: 0.33 at the prices given
    """

    prompts: int
    read: int
    written: int
    price: Price

    @property
    def total(self) -> float | None:
        """In the currency of the price; None where there is none."""
        if self.price.read is None or self.price.written is None:
            return None
        return (self.read * self.price.read + self.written * self.price.written) / MILLION

    def __str__(self) -> str:
        paid = "" if self.total is None else f": {self.total:,.2f} at the prices given"
        tokens = f"{self.read:,} tokens read and {self.written:,} written"
        return f"{counted(self.prompts, 'prompt')}, {tokens}{paid}"


@dataclass(frozen=True)
class Answered:
    """The replies to some texts, and what they cost whenever it was."""

    replies: list[Reply | None]  # to each text; None where it was refused
    refused: list[str]  # why
    paid: Cost


@dataclass(frozen=True)
class EndpointRequests:
    """A model at an endpoint, what it is instructed to do, and the folder its replies land in.

    Begun again, it asks what is missing, and what was refused. More texts may be asked into a
    folder; of another model or with other instructions it is another's.
    """

    endpoint: Endpoint
    model: str
    instructions: str
    max_tokens: int  # of a reply
    folder: Path
    price: Price
    workers: int  # replies under way at a time

    def estimate(self, texts: Sequence[str]) -> Cost:
        """What is still to be asked: about what it reads, and the most that it can write."""
        missing = self._kept.missing(self._requests(texts))
        characters = sum(len(turn.content) for one in missing for turn in one.messages)
        written = sum(one.max_tokens for one in missing)
        return Cost(len(missing), -(-characters // CHARACTERS), written, self.price)

    def answers(self, texts: Sequence[str], progress: Callable[[int], None]) -> Answered:
        """Ask what is missing. `progress` is told how many more replies are there.

        Raises `UsageError` where the folder is another request's, and what `Replies.ask` raises;
        what landed by then is kept.
        """
        self._claim()
        requests = self._requests(texts)
        refused = self._kept.ask(requests, progress)
        replies = [self._kept.kept(one) for one in requests]
        there = [one for one in replies if one]
        read = sum(one.prompt_tokens for one in there)
        written = sum(one.completion_tokens for one in there)
        return Answered(replies, refused, Cost(len(there), read, written, self.price))

    @property
    def _kept(self) -> Replies:
        return Replies(self.endpoint, self.folder / REPLIES, self.workers)

    def _requests(self, texts: Sequence[str]) -> list[ChatRequest]:
        told = Message(role="system", content=self.instructions)
        return [
            ChatRequest(
                model=self.model,
                messages=(told, Message(role="user", content=text)),
                max_tokens=self.max_tokens,
            )
            for text in texts
        ]

    def _claim(self) -> None:
        place = self.folder / REQUEST
        told = {
            "address": self.endpoint.address,
            "model": self.model,
            "instructions": self.instructions,
            "max_tokens": self.max_tokens,
        }
        if place.is_file():
            if read_json(place, f"remove {self.folder}") != told:
                raise UsageError(f"{self.folder} holds another request", "choose another name")
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise UsageError(f"{self.folder} contains other files", "choose another name")
        else:
            write_json(place, told)


def requests_folder(name: str, out: Path) -> Path:
    """`out/traces/NAME`. Raises `UsageError` for a name that can't be one."""
    refuse_no_name("results", name)
    return out / TRACES / name
