"""A question with its one right answer, and what that answer is computed from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    model_validator,
)

from the_experiment.base.errors import UsageError
from the_experiment.base.strict import Strict
from the_experiment.worlds.generators import Generated

Operation = Literal["+", "-", "*", "/"]

OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
    "/": lambda one, other: one / other,
}


class Question(Strict):
    """What is asked, and the answer: a whole number, or true for yes and false for no.

    Where they are known, `operations` are the steps from the first of the `operands` on, left to
    right, and `distractors` are numbers of the text that don't count.

    >>> question = Question(
    ...     question="Tom has 9 pens and loses 4. Ann has 2. How many pens does Tom have?",
    ...     answer=5, kind="word-problems", operands=(9, 4), operations=("-",), distractors=(2,))
    >>> question.answer
    5
    """

    text: str = Field(alias="question", min_length=1)
    answer: StrictBool | StrictInt
    kind: str = Field(min_length=1)
    template: str = ""  # which wording of its kind
    operands: tuple[StrictInt, ...] = ()
    operations: tuple[Operation, ...] = ()
    distractors: tuple[StrictInt, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> Question:
        if not self.operations and not self.operands:
            return self
        if len(self.operands) != len(self.operations) + 1:
            raise ValueError("operands must be one more than operations")
        if result(self.operands, self.operations) != self.answer:
            raise ValueError("operations on the operands don't give the answer")
        return self


def result(operands: tuple[int, ...], operations: tuple[str, ...]) -> Fraction | None:
    """What the operations give from left to right; None where something is divided by zero.

    >>> result((2, 3, 4), ("+", "*")), result((1, 0), ("/",))
    (Fraction(20, 1), None)
    """
    value = Fraction(operands[0])
    for operation, operand in zip(operations, operands[1:], strict=True):
        if operation == "/" and not operand:
            return None
        value = OPERATIONS[operation](value, Fraction(operand))
    return value


def check_length(seq_len: int, least: int, most: int, what: str) -> None:
    """Raise `UsageError` for a length that a kind of question doesn't come in."""
    if not least <= seq_len <= most:
        raise UsageError(f"there are no such questions of {seq_len} {what}", f"{least} to {most}")


def generated(
    kind: str,
    template: str,
    text: str,
    operands: list[int],
    operations: list[str],
    distractors: Sequence[int] = (),
) -> Generated:
    """A question whose answer is what its operations give: a whole number."""
    answer = result(tuple(operands), tuple(operations))
    assert answer is not None
    assert answer.denominator == 1
    metadata: dict[str, Any] = {
        "kind": kind,
        "template": template,
        "operands": operands,
        "operations": operations,
        "distractors": list(distractors),
    }
    return text, int(answer), metadata


def question_of(generated: Generated) -> Question:
    """What a question generator made, with all that its metadata tells."""
    text, answer, metadata = generated
    told = {name: value for name, value in metadata.items() if name in Question.model_fields}
    return Question.model_validate({"question": text, "answer": answer, **told})


def meaning_of(generated: Generated) -> str:
    """What a question means: its operands, operations and distractors, in whatever words.

    Numbers in another order mean something else. A question that doesn't tell its operations, or
    whose answer is not what they give, means what its text says.

    >>> sums = [("5 plus 7?", 12, {"kind": "sum", "operands": [5, 7], "operations": ["+"]}),
    ...         ("What is 5 + 7?", 12, {"kind": "sum", "operands": [5, 7], "operations": ["+"]})]
    >>> meaning_of(sums[0]) == meaning_of(sums[1]), meaning_of(("Is 4 even?", True, {}))
    (True, 'Is 4 even?')
    """
    try:
        question = question_of(generated)
    except ValidationError:
        return generated[0]
    if not question.operations:
        return question.text
    told = question.kind, question.operands, question.operations, question.distractors
    return json.dumps(told)
