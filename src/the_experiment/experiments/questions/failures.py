"""Kinds of failure: which rule gives the answer that was found in place of the right one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, product

from the_experiment.worlds.answers import CUT_OFF
from the_experiment.worlds.questions.answers import parse_answer
from the_experiment.worlds.questions.question import OPERATIONS, Question, result

RIGHT = "right"
FORMAT = "format"
INCOMPLETE = "incomplete"
OPPOSITE = "opposite"
WRONG_OPERATION = "wrong operation"
OFF_BY_ONE = "off by one"
HALLUCINATION = "hallucination"
FAILURES = (WRONG_OPERATION, OFF_BY_ONE, OPPOSITE, INCOMPLETE, FORMAT, HALLUCINATION)
MOST_SHIFTS = 20  # other questions whose answers stand for an answer by chance
SIGNS = {"+": "+", "-": "−", "*": "×", "/": "÷"}


@dataclass(frozen=True)
class Judged:
    """What was found in what a model wrote, and of which kind it is."""

    value: bool | int | None
    kind: str  # `RIGHT`, or one of `FAILURES`
    why: str = ""


def judged(question: Question, written: str, cut: bool = False) -> Judged:
    """The kind of an answer: the first of these that it is.

    `cut` says that the model was stopped before it ended the text by itself.

    - *right*: the value that is found is the right one.
    - *incomplete*, if no value is found: nothing is written, or the text is cut off before it.
    - *format*: there are words, and no value such as is asked for, or several.
    - *opposite*: yes where no is right, or no where yes is. A truth value can fail in no other way.
    - *wrong operation*: as many of the question's numbers as count, in the order in which they are
      used or backwards, give it from left to right by other operations (+, −, ×, ÷ without rest),
      or with one that doesn't count among them. A step left out is none of it.
    - *off by one*: 1 more or less than the right one.
    - *incomplete*, if a value is found: it is what the operations give before the last of them, or
      the right one without its last digits.
    - *hallucination*: a number that nothing of this explains.

    What the numbers of a question are is known from its operands and distractors. Small numbers
    are often explained by chance: `by_chance` says how often.

    >>> question = Question(question="What is 5 + 7?", answer=12, kind="arithmetic",
    ...                     operands=(5, 7), operations=("+",))
    >>> judged(question, " 35")
    Judged(value=35, kind='wrong operation', why='5 × 7')
    >>> [judged(question, text).kind for text in ("12", "13", "7 - 5 = 2", "5", "40", "dunno")]
    ['right', 'off by one', 'wrong operation', 'incomplete', 'hallucination', 'format']
    """
    parsed = parse_answer(question, written, cut)
    if parsed.value is None:
        unfinished = cut or not written.strip() or parsed.reason == CUT_OFF
        return Judged(None, INCOMPLETE if unfinished else FORMAT, parsed.reason)
    return Judged(parsed.value, *failure_kind(question, parsed.value))


def failure_kind(question: Question, value: bool | int) -> tuple[str, str]:
    """The kind of a value that was found, and what explains it."""
    if value == question.answer:
        return RIGHT, ""
    if isinstance(question.answer, bool):
        return OPPOSITE, ""
    operation = other_operation(question, value)
    if operation:
        return WRONG_OPERATION, operation
    if abs(value - question.answer) == 1:
        return OFF_BY_ONE, ""
    step = _step_before(question, value)
    if step or str(question.answer).startswith(str(value)):
        return INCOMPLETE, step or "its first digits"
    return HALLUCINATION, ""


def other_operation(question: Question, value: int) -> str:
    """A computation with the question's numbers that gives this value; empty where there is none.

    >>> question = Question(question="What is 9 - 3?", answer=6, kind="arithmetic",
    ...                     operands=(9, 3), operations=("-",))
    >>> other_operation(question, 3), other_operation(question, 7)
    ('9 ÷ 3', '')
    """
    return _computations(question).get(Fraction(value), "")


@lru_cache(maxsize=4096)
def _computations(question: Question) -> dict[Fraction, str]:
    """What can be computed with its numbers, by value."""
    found: dict[Fraction, str] = {}
    for numbers in _orders(question):
        for operations in product(OPERATIONS, repeat=len(question.operations)):
            value = result(numbers, operations)
            if value is not None:
                found.setdefault(value, _in_signs(numbers, operations))
    return found


def _orders(question: Question) -> Iterator[tuple[int, ...]]:
    """As many of its numbers as count, forwards and backwards; first those that do count."""
    if question.operations:
        numbers = (*question.operands, *question.distractors)
        for chosen in combinations(numbers, len(question.operands)):
            yield chosen
            yield chosen[::-1]


def _step_before(question: Question, value: int) -> str:
    """The operations before the last that give this value, none at all for the first number."""
    for steps in range(len(question.operations)):
        numbers, operations = question.operands[: steps + 1], question.operations[:steps]
        if result(numbers, operations) == Fraction(value):
            return f"only {_in_signs(numbers, operations)}"
    return ""


def _in_signs(numbers: Sequence[int], operations: Sequence[str]) -> str:
    first, *others = map(str, numbers)
    pairs = zip(operations, others, strict=True)
    return first + "".join(f" {SIGNS[operation]} {number}" for operation, number in pairs)


def by_chance(questions: Sequence[Question]) -> dict[str, float]:
    """The share of each kind among wrong answers that know nothing of the question.

    They are the right answers of other questions of the same kind. Empty where there are none.
    """
    kinds = [kind for kind in _of_others(questions) if kind != RIGHT]
    return {kind: kinds.count(kind) / len(kinds) for kind in FAILURES if kinds}


def _of_others(questions: Sequence[Question]) -> Iterator[str]:
    for kind in dict.fromkeys(question.kind for question in questions):
        same = [question for question in questions if question.kind == kind]
        for shift in range(1, min(len(same), MOST_SHIFTS + 1)):
            for question, other in zip(same, same[shift:] + same[:shift], strict=True):
                yield failure_kind(question, other.answer)[0]
