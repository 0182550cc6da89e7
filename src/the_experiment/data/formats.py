"""Rows to train on, in the formats of the field: each becomes a `prompt` and a `completion`.

Questions and answers, conversations (OpenAI's `messages`, ShareGPT's `conversations`), and
instructions (Alpaca's `instruction`, `input`, `output`). Other columns stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from the_experiment.base.errors import ExperimentError
from the_experiment.base.tables import Row
from the_experiment.worlds.questions.answers import in_words
from the_experiment.worlds.questions.reading import PASSAGES, question_text

Form = Callable[[Row, str], list[tuple[Any, Any]]]  # prompts and completions

ROLES = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant"}
UNREAD = ("system", "history", "tools", "images")  # what training would leave out silently
KNOWN = (
    "name the columns prompt and completion, question and answer, instruction and output, or "
    "messages"
)


def completed(row: Row, where: str) -> list[Row]:
    r"""The row with a prompt and a completion; a conversation once for each of its replies.

    The prompt of an instruction or a conversation ends with a line break. A message that stands
    alone before a reply is the prompt as it is, of several each begins with its role.

    Raises `ExperimentError` for a row of another form, and for a column that would be lost.

    >>> completed({"question": "Is 4 even?", "answer": True}, "rows.jsonl, line 1")
    [{'prompt': 'Is 4 even?', 'completion': ' yes'}]
    >>> completed({"instruction": "Add.", "input": "2, 3", "output": "5"}, "rows.jsonl, line 1")
    [{'prompt': 'Add.\n2, 3\n', 'completion': '5'}]
    """
    if {"prompt", "completion"} & {*row}:
        return [checked(row, where)]
    for form, needed, further in FORMS:
        if needed <= {*row}:
            lost = next((name for name in UNREAD if row.get(name)), "")
            if lost:
                raise ExperimentError(
                    f"{where} has a column {lost}, which would not be trained on",
                    "write it into the texts, or remove it",
                )
            pairs = form(row, where)
            others = {name: value for name, value in row.items() if name not in needed | further}
            return [
                checked({"prompt": prompt, "completion": completion, **others}, where)
                for prompt, completion in pairs
            ]
    raise ExperimentError(
        f"{where} has no column prompt or completion (it has {', '.join(row)})", KNOWN
    )


def checked(row: Row, where: str) -> Row:
    """The same row, known to have a text for prompt and for completion."""
    for column in ("prompt", "completion"):
        if not isinstance(row.get(column), str):
            raise ExperimentError(f"{where} has no string {column!r}", KNOWN)
    return row


def _question(row: Row, where: str) -> list[tuple[Any, Any]]:
    """A blank and its answer complete a question: as words, `yes` or `no`."""
    answer = row["answer"]
    written = in_words(answer) if isinstance(answer, bool | int) else answer
    completion = f" {written}" if isinstance(written, str) else None
    return [(question_text(row, where), completion)]


def _instruction(row: Row, where: str) -> list[tuple[Any, Any]]:
    told = [_text(row, name, where) for name in ("instruction", "input") if row.get(name)]
    return [("\n".join([*told, ""]), row["output"])]


def _conversation(row: Row, where: str) -> list[tuple[Any, Any]]:
    messages = row.get("messages", row.get("conversations"))
    if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
        raise ExperimentError(f"{where} has no list of messages", KNOWN)
    turns = [_turn(message, where) for message in messages]
    replies = [number for number, (role, _) in enumerate(turns) if role == "assistant"]
    if not replies:
        raise ExperimentError(f"{where} has no assistant reply to train on", "remove it")
    if replies[0] == 0:
        raise ExperimentError(f"{where} begins with an assistant reply", "remove that message")
    return [(_transcript(turns[:number]), turns[number][1]) for number in replies]


def _turn(message: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Who says what: `role` and `content`, or `from` and `value`."""
    named = "content" if "role" in message else "value"
    role = str(message.get("role", message.get("from"))).lower()
    if role not in ("system", "user", "assistant", *ROLES):
        raise ExperimentError(
            f"{where} has a message with role {role!r}, not user or assistant", "remove that row"
        )
    return ROLES.get(role, role), _text(message, named, where)


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    if not isinstance(row.get(name), str):
        raise ExperimentError(f"{where} has no string {name!r}", "write one, or remove that row")
    return str(row[name])


def _transcript(turns: list[tuple[str, str]]) -> str:
    if len(turns) == 1:
        return f"{turns[0][1]}\n"
    return "".join(f"{role}: {text}\n" for role, text in turns)


FORMS: tuple[tuple[Form, set[str], set[str]], ...] = (  # its columns, those it may have
    (_conversation, {"messages"}, set()),
    (_conversation, {"conversations"}, set()),
    (_instruction, {"instruction", "output"}, {"input"}),
    (_question, {"question", "answer"}, {*PASSAGES}),
)
