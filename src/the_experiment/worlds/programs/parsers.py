"""Which value of an answer is asked for, by the prompt around a program."""

from __future__ import annotations

import re
from collections.abc import Callable

from the_experiment.worlds.answers import NO_NUMBER, Parsed, parse_boolean, parse_integer
from the_experiment.worlds.generators import Answer
from the_experiment.worlds.programs.prompts import VARIABLE_BINDING

Parser = Callable[[str], Parsed]


def parse_variable_binding(text: str) -> Parsed:
    """The value of a queried variable: a whole number, or True or False where there is none.

    An answer may begin by repeating the query, whatever it goes on with.

    >>> parse_variable_binding("#y: 5\\nz=3\\n#z: 3"), parse_variable_binding("r = m = u = 8")
    (Parsed(value=5, reason=''), Parsed(value=8, reason=''))
    """
    answer = re.sub(r"^\s*#\s*\w+\s*[:=]", "", text)
    number = parse_integer(answer)
    truth = parse_boolean(answer) if number.reason == NO_NUMBER else number
    return truth if truth.value is not None else number


def parser_for(template: str, answer: Answer) -> Parser:
    """The parser that reads the answers to a prompt, where the right one is such as `answer`."""
    if template == VARIABLE_BINDING:
        return parse_variable_binding
    return parse_boolean if isinstance(answer, bool) else parse_integer
