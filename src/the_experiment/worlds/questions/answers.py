"""The answer that a model's words give to a question."""

from __future__ import annotations

import re

from the_experiment.worlds.programs.parsers import Parsed, parse_boolean, parse_integer
from the_experiment.worlds.questions.question import Question

YES_NO = ("no", "yes")  # how false and true are written
SEVERAL = "yes and no, and no conclusion"


def parse_answer(question: Question, written: str) -> Parsed:
    """What is answered in `written`, the text after the prompt: a number, or yes or no.

    >>> tall = Question(question="Is Tom taller than Ann?", answer=False, kind="logic")
    >>> parse_answer(tall, " No, he is not."), parse_answer(tall, "Ann is taller, so no.")
    (Parsed(value=False, reason=''), Parsed(value=False, reason=''))
    >>> parse_answer(tall, "Who knows?")
    Parsed(value=None, reason='no yes or no')
    """
    if not isinstance(question.answer, bool):
        return parse_integer(written)
    parsed = parse_boolean(written)
    return parsed if parsed.value is not None else _yes_or_no(written)


def _yes_or_no(written: str) -> Parsed:
    """The one of the two that is there."""
    said = {word.lower() for word in re.findall(r"\b(?:yes|no)\b", written, re.I)}
    if len(said) == 1:
        return Parsed(YES_NO.index(said.pop()) == 1)
    return Parsed(None, SEVERAL if said else "no yes or no" if written.strip() else "empty")


def in_words(answer: bool | int) -> str:
    """The right answer as it is written.

    >>> in_words(True), in_words(12)
    ('yes', '12')
    """
    return YES_NO[answer] if isinstance(answer, bool) else str(answer)
