"""The value that a model's answer gives, read as a person would read it; or why there is none.

In this order: a value that the answer begins with; what it calls its answer, the last time it does;
its last conclusion ("x = 12", "x is now 12"); the only value in it. Anything else is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from the_experiment.worlds.generators import Answer
from the_experiment.worlds.programs.prompts import VARIABLE_BINDING


@dataclass(frozen=True)
class Parsed:
    """The value an answer gives. Where it gives none, `reason` says why; else that is empty."""

    value: Answer | None
    reason: str = ""


Parser = Callable[[str], Parsed]


@dataclass(frozen=True)
class _Kind:
    """What values look like: a pattern of one, and of what makes it part of an expression."""

    name: str
    value: str
    goes_on: str
    read: Callable[[str], Answer | None]


CUT_OFF = "cut off before its end"
EXPRESSION = "an expression without its value"
EQUALS = r"(?:=|:|→|->|\b(?:is|are|be|equals|becomes|gives|makes|yields|to|was))"
SOFTENED = r"(?:\s*\b(?:now|still|then|thus|therefore|also|just|simply|again)\b)?"
ANNOUNCED = r"\b(?:answer|final\s+(?:value|result|output|state|number)|final)\b[^.,;?!\n]{0,80}?"
NEXT_QUESTION = re.compile(r"\n\s*(?:question|q|problem|exercise|user|human)\b\s*\d*\s*:", re.I)
REASON = re.compile(r"\b(?:because|since|given that)\b[^.,\n]*", re.I)
DANGLING = re.compile(r"(?:[-+*/%=(:→]|\b(?:is|equals|becomes|plus|minus|times|and|or|not))\s*$")
LIST_MARK = re.compile(r"^\s*(?:[-*•]\s+)?(?:step\s+)?[0-9]+[.):](?=\s)", re.I | re.M)


def parse_integer(text: str) -> Parsed:
    """The whole number that an answer gives.

    >>> for text in (" 12\\n\\nx = 5", "3 + 4 = 7", "x is 3, so the answer is **-1,200**.",
    ...              "<think>5?</think>x=12", "x = 3 +", "3, then 6, then 9"):
    ...     print(parse_integer(text))
    Parsed(value=12, reason='')
    Parsed(value=7, reason='')
    Parsed(value=-1200, reason='')
    Parsed(value=12, reason='')
    Parsed(value=None, reason='cut off before its end')
    Parsed(value=None, reason='several whole numbers (3, 6, 9) and no conclusion')
    """
    return _parsed(text, INTEGER)


def parse_boolean(text: str) -> Parsed:
    """True or False, in capitals or not; "yes" and "no" where an answer begins with them.

    >>> for text in ("False", "True and False = False", "x is true.", "Yes, it is", "maybe"):
    ...     print(parse_boolean(text))
    Parsed(value=False, reason='')
    Parsed(value=False, reason='')
    Parsed(value=True, reason='')
    Parsed(value=True, reason='')
    Parsed(value=None, reason='no truth value')
    """
    parsed = _parsed(text, BOOLEAN)
    word = re.match(r"\W*(yes|no)\b", _said(text) or "", re.I)
    if parsed.value is None and word and not re.search(BOOLEAN.value, text):
        return Parsed(word[1].lower() == "yes")
    return parsed


def parse_variable_binding(text: str) -> Parsed:
    """The value of a queried variable: a whole number, or True or False where there is none.

    An answer may begin by repeating the query, whatever it goes on with.

    >>> parse_variable_binding("#y: 5\\nz=3\\n#z: 3"), parse_variable_binding("r = m = u = 8")
    (Parsed(value=5, reason=''), Parsed(value=8, reason=''))
    """
    answer = re.sub(r"^\s*#\s*\w+\s*[:=]", "", text)
    number = _parsed(answer, INTEGER)
    truth = parse_boolean(answer) if number.reason == _none_of(INTEGER) else number
    return truth if truth.value is not None else number


def parser_for(template: str, answer: Answer) -> Parser:
    """The parser that reads the answers to a prompt, where the right one is such as `answer`."""
    if template == VARIABLE_BINDING:
        return parse_variable_binding
    return parse_boolean if isinstance(answer, bool) else parse_integer


def _whole(text: str) -> int | None:
    whole, _, fraction = text.replace(",", "").replace("−", "-").partition(".")
    return int(whole) if len(whole) < 1_000 and not fraction.strip("0") else None


INTEGER = _Kind(
    "whole number",
    r"(?<![\w.])(?<!\w\))(?<![-−]\s)[-−]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?!\w)",
    r"\s*(?:[-−+*/%×÷=<>^]|\\times|\\cdot|(?:plus|minus|times|mod|divided|multiplied)\b"
    r"|(?:,?\s*(?:and|or|then|to)\b|,)\s*[-−]?[0-9])",
    _whole,
)
BOOLEAN = _Kind(
    "truth value",
    r"(?i:(?<!\bnot\s)\b(?:true|false)\b)",
    r"\s*(?:[=!<>&|]|,?\s*(?:and|or|then)\b)",
    lambda text: text.lower() == "true",
)


def _parsed(text: str, kind: _Kind) -> Parsed:
    said = _said(text)
    if said is None:
        return Parsed(None, CUT_OFF)
    if not said:
        return Parsed(None, "empty")
    stated = _first(said, kind) or _last(said, kind, ANNOUNCED + EQUALS)
    if not stated and DANGLING.search(said):
        return Parsed(None, CUT_OFF)
    stated = stated or _last(REASON.sub("", said), kind, EQUALS)
    return _one_of([stated], kind) if stated else _only(LIST_MARK.sub("", said), kind)


def _only(said: str, kind: _Kind) -> Parsed:
    """The value that an answer without a conclusion gives."""
    parsed = _one_of(re.findall(kind.value, said), kind)
    if parsed.value is not None and re.search(kind.value + kind.goes_on, said):
        return Parsed(None, EXPRESSION)
    return parsed


def _said(text: str) -> str | None:
    """The answer without thoughts, marks of emphasis and further questions; None if only thoughts.

    What a model puts in a box (LaTeX) or behind `####` is what it calls its answer.
    """
    answer = text.rpartition("</think>")[2]
    if "<think>" in answer:
        return None
    answer = NEXT_QUESTION.split(answer.lstrip())[0]
    answer = re.sub(r"\\boxed\s*\{([^{}]*)\}|####", r" answer: \1 ", answer)
    answer = re.sub(r"\*\*|[`$]|\\[()\[\]]|<\|[^|>]*\|>|</s>", "", answer).strip()
    return re.sub(r"([=:]|\bis)\s*[-−]\s+(?=[0-9])", r"\1 -", answer)


def _first(said: str, kind: _Kind) -> str:
    """The value that stands at the beginning, by itself."""
    start = said.lstrip("\"'([{=: ")
    numbered = re.match(r"1[.)]\s+\S", start) and re.search(r"^\s*2[.)]\s", start, re.M)
    found = re.match(f"({kind.value})(?!{kind.goes_on})", start)
    return found[1] if found and not numbered else ""


def _last(said: str, kind: _Kind, before: str) -> str:
    """The value that stands behind the last such words; empty where there is none."""
    found = re.findall(f"(?i:{before}){SOFTENED}\\s*({kind.value})(?!{kind.goes_on})", said)
    return found[-1] if found else ""


def _one_of(found: list[str], kind: _Kind) -> Parsed:
    """The one value that these all are."""
    if not found:
        return Parsed(None, _none_of(kind))
    values = {text: kind.read(text) for text in found}
    if len(set(values.values())) > 1:
        return Parsed(None, f"several {kind.name}s ({', '.join(values)}) and no conclusion")
    value = values[found[0]]
    return (
        Parsed(value) if value is not None else Parsed(None, f"{found[0][:20]} is no {kind.name}")
    )


def _none_of(kind: _Kind) -> str:
    return f"no {kind.name}"
