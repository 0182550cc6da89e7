"""Sets of questions: those that ship with the package, and files of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_jsonl
from the_experiment.base.seeds import Stream
from the_experiment.worlds.questions.question import Question

SHIPPED = Path(__file__).parent / "shipped"
SUFFIX = ".jsonl"


def question_sets() -> list[str]:
    """The names of the sets that ship with the package."""
    return sorted(file.stem for file in SHIPPED.glob(f"*{SUFFIX}"))


def read_questions(name_or_file: str) -> list[Question]:
    """The questions of a set, or of a JSONL file with `question`, `answer` and `kind` in each line.

    An answer is a whole number, or true for yes and false for no. With `operands` and `operations`
    wrong answers can be told apart. Raises `UsageError` for an unknown name, for an empty file,
    and with the number of the line for one that is no question; also for one that is there twice.

    >>> [len(read_questions(name)) for name in question_sets()]
    [8, 4, 5, 5]
    """
    named = name_or_file in question_sets()
    path = SHIPPED / f"{name_or_file}{SUFFIX}" if named else Path(name_or_file)
    if not path.is_file():
        raise UsageError(
            f"there is no set of questions called {name_or_file!r}",
            f"one of {', '.join(question_sets())}, or a {SUFFIX} file",
        )
    questions = [_question(row, path, number) for number, row in enumerate(read_jsonl(path), 1)]
    if not questions:
        raise UsageError(f"{path} has no questions", "write one JSON object a line")
    refuse_repeated(questions)
    return questions


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


def _question(row: dict[str, object], path: Path, number: int) -> Question:
    try:
        return Question.model_validate(row)
    except ValidationError as error:
        problem = error.errors()[0]
        key = str(problem["loc"][0]) if problem["loc"] else ""
        what = problem["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"{path}, line {number}: {key}{': ' if key else ''}{what}",
            'a line is such as {"question": "What is 2 + 3?", "answer": 5, "kind": "arithmetic"}',
        ) from None
