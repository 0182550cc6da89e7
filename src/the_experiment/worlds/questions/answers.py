"""The answer that a model's words give to a question."""

from __future__ import annotations

from the_experiment.worlds.answers import Parsed, parse_integer, parse_yes_no
from the_experiment.worlds.questions.question import Question

YES_NO = ("no", "yes")  # how false and true are written


def parse_answer(question: Question, written: str) -> Parsed:
    """What is answered in `written`, the text after the prompt: a number, or yes or no.

    >>> tall = Question(question="Is Tom taller than Ann?", answer=False, kind="logic")
    >>> parse_answer(tall, " No, he is not."), parse_answer(tall, "Ann is taller, so no.")
    (Parsed(value=False, reason=''), Parsed(value=False, reason=''))
    >>> parse_answer(tall, "Who knows?")
    Parsed(value=None, reason='no yes or no')
    """
    parse = parse_yes_no if isinstance(question.answer, bool) else parse_integer
    return parse(written)


def in_words(answer: bool | int) -> str:
    """The right answer as it is written.

    >>> in_words(True), in_words(12)
    ('yes', '12')
    """
    return YES_NO[answer] if isinstance(answer, bool) else str(answer)
