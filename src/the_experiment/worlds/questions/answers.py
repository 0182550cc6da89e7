"""The answer that a model's words give to a question."""

from __future__ import annotations

import re

from the_experiment.worlds.answers import Parsed, parse_integer, parse_yes_no
from the_experiment.worlds.questions.question import Question

CONDITIONS = ("if", "whether", "when", "that", "because", "since")  # before what is not asserted
YES_NO = ("no", "yes")  # how false and true are written


def parse_answer(question: Question, written: str, cut: bool = False) -> Parsed:
    """What is answered in `written`, the text after the prompt: a number, or yes or no.

    `cut`: it had no room for more. A sentence that says or denies what is asked is a yes or a no.

    >>> tall = Question(question="Is Tom taller than Ann?", answer=False, kind="logic")
    >>> parse_answer(tall, " No, he is not."), parse_answer(tall, "Ann is taller, so no.")
    (Parsed(value=False, reason=''), Parsed(value=False, reason=''))
    >>> parse_answer(tall, "Who knows?")
    Parsed(value=None, reason='no yes or no')
    >>> parse_answer(tall, "Hence Tom is not taller than Ann.")
    Parsed(value=False, reason='')
    """
    if not isinstance(question.answer, bool):
        return parse_integer(written, question.text, cut)
    parsed = parse_yes_no(written, question.text, cut)
    return parsed if parsed.value is not None else _asserted(question.text, written) or parsed


def _asserted(question: str, written: str) -> Parsed | None:
    """What a text says of the statement that is asked for, the last time it does."""
    asked = re.search(r"\bIs (\w+) ([^?.]+)\?\s*$", question)
    if not asked:
        return None
    subject, rest = map(re.escape, asked.groups())
    statement = rf"(\b\w+\s+)?\b{subject} is (?:indeed |really |also )?(not )?{rest}"
    said = [
        not found[2]
        for found in re.finditer(statement, written)
        if (found[1] or "").strip().lower() not in CONDITIONS
    ]
    return Parsed(said[-1]) if said else None


def in_words(answer: bool | int) -> str:
    """The right answer as it is written.

    >>> in_words(True), in_words(12)
    ('yes', '12')
    """
    return YES_NO[answer] if isinstance(answer, bool) else str(answer)
