"""Sets of questions: those that ship with the package, files of one's own, and newly drawn ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from pydantic import ValidationError

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.seeds import Stream, derived_seed
from the_experiment.base.strict import first_problem
from the_experiment.base.tables import KINDS, Row, TableFile, format_of, read_table
from the_experiment.worlds.generators import QUESTIONS
from the_experiment.worlds.questions.question import Question, question_of

GENERATORS = {  # by kind, and the shortest length it comes in
    "arithmetic": ("make_arithmetic_question", 1),
    "logic": ("make_logic_question", 1),
    "multi-step": ("make_multi_step_question", 2),
    "word-problems": ("make_word_problem", 1),
}
PATIENCE = 50  # draws for each question that is asked for


def drawn_questions(kind: str, count: int, seq_len: int, seed: int) -> list[Question]:
    """`count` different questions of a kind and length, 0 standing for the shortest.

    Raises `UsageError` for a kind that there is not, and where there are not that many.

    >>> [one.text for one in drawn_questions("arithmetic", 2, seq_len=1, seed=0)]
    ['Compute 1 times 0.', 'What is 3 + 5?']
    """
    if kind not in GENERATORS:
        raise UsageError(f"there are no {kind!r} questions", f"one of {', '.join(GENERATORS)}")
    name, shortest = GENERATORS[kind]
    make, seq_len = QUESTIONS[name], seq_len or shortest
    rng = np.random.RandomState(derived_seed(seed, kind, seq_len) % 2**32)
    found: dict[str, Question] = {}
    for _ in range(PATIENCE * count):
        question = question_of(make(seq_len, rng))
        found.setdefault(question.text, question)
        if len(found) == count:
            return list(found.values())
    raise UsageError(
        f"found fewer than {count} different {kind} questions of length {seq_len}",
        "ask for fewer or longer ones",
    )


SHIPPED = Path(__file__).parent / "shipped"
SUFFIX = ".jsonl"
PASSAGES = ("passage", "context")  # what is read before the question
CHOICES = ("choices", "options")  # what a question can't be asked without
MARK = "####"  # GSM8K writes the answer behind it
WHOLE = re.compile(r"[-+]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.0*)?")
SAID = {"yes": True, "true": True, "no": False, "false": False}
SUCH_AS = 'a row is such as {"question": "What is 2 + 3?", "answer": 5, "kind": "arithmetic"}'


def question_sets() -> list[str]:
    """The names of the sets that ship with the package."""
    return sorted(file.stem for file in SHIPPED.glob(f"*{SUFFIX}"))


def read_questions(name_or_file: str) -> list[Question]:
    """The questions of a set, or of a file with `question` and `answer` in each row.

    An answer is a whole number, or yes or no (true or false): as such, as a text, or behind the
    last `####` of one. A `passage` or `context` is read before the question. Rows without a `kind`
    have the file's name for it; with `operands` and `operations` wrong answers can be told apart.

    Raises `UsageError` for an unknown name, for a file without rows, and with the place of a row
    that is no question, has choices, or asks what another asks.

    >>> [len(read_questions(name)) for name in question_sets()]
    [8, 4, 5, 5]
    """
    named = name_or_file in question_sets()
    path = SHIPPED / f"{name_or_file}{SUFFIX}" if named else Path(name_or_file)
    if not path.exists():
        raise UsageError(
            f"there is no set of questions called {name_or_file!r}",
            f"one of {', '.join(question_sets())}, or a file of {KINDS}",
        )
    table = read_table(path)
    if not table.rows:
        raise UsageError(f"{path} has no questions", "write some into it")
    _tell_unread(table)
    name = path.name[: -len(format_of(path))] if format_of(path) else path.name
    questions = [_question(row, where, name) for where, row in table.placed()]
    refuse_repeated(questions)
    return questions


def question_text(row: Mapping[str, Any], where: str) -> str:
    """What is asked in a row: its question, after its passage or context on a line of its own.

    Raises `ExperimentError` for a question that is no text or has choices.
    """
    choices = next((name for name in CHOICES if row.get(name) is not None), "")
    if choices:
        raise ExperimentError(
            f"{where} has a column {choices}, which would not be read",
            "write them into the question, or remove the column",
        )
    texts = [row[name] for name in (*PASSAGES, "question") if row.get(name) is not None]
    if not texts or not all(isinstance(text, str) for text in texts) or not row.get("question"):
        raise ExperimentError(f"{where} has no string 'question'", SUCH_AS)
    return "\n".join(texts)


def read_sets(names: Sequence[str], limit: int, seed: int) -> list[Question]:
    """The questions of several sets together, at most `limit` of each (0: all), drawn by `seed`.

    Raises `UsageError` as `read_questions` does, and for a question that two sets share.
    """
    found: list[Question] = []
    for name in names:
        questions = read_questions(name)
        order = Stream(seed, "questions", name).shuffled(len(questions))
        chosen = sorted(order[: limit or None].tolist())
        found += [questions[number] for number in chosen]
    refuse_repeated(found)
    return found


def row_of(question: Question) -> dict[str, object]:
    """A question as a line of a file has it, without what it doesn't tell."""
    return question.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def refuse_repeated(questions: Sequence[Question]) -> None:
    """Raise `UsageError` where a question is asked twice: it would count as two."""
    texts = Counter(question.text for question in questions)
    text, times = texts.most_common(1)[0]
    if times > 1:
        raise UsageError(f"{text!r} is asked {times} times", "leave the others out")


def _tell_unread(table: TableFile) -> None:
    known = {*PASSAGES, *CHOICES, "question", *Question.model_fields} - {"text"}
    unread = sorted({name for row in table.rows for name in row} - known)
    if unread:
        logger.warning("{} has columns that are not read: {}", table.path, ", ".join(unread))


def _question(row: Row, where: str, name: str) -> Question:
    known = {key: row[key] for key in Question.model_fields if row.get(key) is not None}
    if "answer" not in known:
        raise UsageError(f"{where} has no answer", SUCH_AS)
    known |= {"question": question_text(row, where), "answer": _answer(row["answer"], where)}
    known.setdefault("kind", name)
    try:
        return Question.model_validate(known)
    except ValidationError as error:
        raise UsageError(f"{where}: {first_problem(error)}", SUCH_AS) from None


def _answer(answer: object, where: str) -> bool | int:
    """A right answer that is written as a number, as a truth value, or as a text of either."""
    if isinstance(answer, bool | int):
        return answer
    text = str(answer).rpartition(MARK)[2].strip()
    if text.lower() in SAID:
        return SAID[text.lower()]
    if WHOLE.fullmatch(text):
        return int(text.partition(".")[0].replace(",", ""))
    raise UsageError(
        f"{where}: the answer {text!r} is neither a whole number nor yes or no", SUCH_AS
    )
