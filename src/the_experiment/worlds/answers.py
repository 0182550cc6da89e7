"""The value that a model's answer gives, read as a person would read it; or why there is none.

In this order: a value that the answer begins with; what it calls its answer, the last time it does;
its last conclusion ("x = 12", "x is now 12"); the only value in it. Anything else is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from the_experiment.worlds.generators import Answer


@dataclass(frozen=True)
class Parsed:
    """The value an answer gives. Where it gives none, `reason` says why; else that is empty."""

    value: Answer | None
    reason: str = ""


@dataclass(frozen=True)
class _Kind:
    """What values look like: a pattern of one, and of what makes it part of an expression."""

    name: str
    value: str
    goes_on: str
    read: Callable[[str], Answer | None]


NO_NUMBER = "no whole number"
CUT_OFF = "cut off before its end"
EMPTY = "empty"
EXPRESSION = "an expression without its value"
EQUALS = r"(?:=|:|→|->|\b(?:is|are|be|equals|becomes|gives|makes|yields|to|was))"
SOFTENED = r"(?:\s*\b(?:now|still|then|thus|therefore|also|just|simply|again)\b)?"
ANNOUNCED = r"\b(?:answer|final\s+(?:value|result|output|state|number)|final)\b[^.,;?!\n]{0,80}?"
END = re.compile(  # of a text, in the special tokens of the common tokenizers
    r"</s>|<(?:eos|end_of_turn)>|<\|(?:endoftext|end_of_text|end|eot_id|im_end|eos)\|>"
)
NEXT_QUESTION = re.compile(r"\n\s*(?:question|q|problem|exercise|user|human)\b\s*\d*\s*:", re.I)
ASKED_AGAIN = re.compile(r"\n[ \t]*\n[^\n]*\?[ \t]*(?=\n|$)")  # a paragraph of one question
BOXED = re.compile(
    r"((?<![0-9)])(?<![0-9)]\s)(?:[-−–]|\b(?:minus|negative)\s))?\\boxed\s*\{((?:[^{}]|\{,\})*)\}|####"
)
REASON = re.compile(r"\b(?:because|since|given that)\b[^.,\n]*", re.I)
DANGLING = re.compile(r"(?:[-+*/%=(:→]|\b(?:is|equals|becomes|plus|minus|times|and|or|not))\s*$")
LIST_MARK = re.compile(r"^\s*(?:[-*•]\s+)?(?:step\s+)?[0-9]+[.):](?=\s)", re.I | re.M)
EMPHASIS = re.compile(r"(?<![\w*)])(\*{1,3}|__?)(?=\S)([^*\n]*?\S)\1(?![\w*(])")


def parse_integer(text: str) -> Parsed:
    """The whole number that an answer gives.

    >>> for text in (" 12\\n\\nx = 5", "3 + 4 = 7", "x is 3, so the answer is **-1,200**.",
    ...              "<think>5?</think>x=12", "x = 3 +", "3, then 6, then 9", "It is 7:30."):
    ...     print(parse_integer(text))
    Parsed(value=12, reason='')
    Parsed(value=7, reason='')
    Parsed(value=-1200, reason='')
    Parsed(value=12, reason='')
    Parsed(value=None, reason='cut off before its end')
    Parsed(value=None, reason='several whole numbers (3, 6, 9) and no conclusion')
    Parsed(value=None, reason='no whole number')
    """
    return _parsed(text, INTEGER)


def parse_boolean(text: str) -> Parsed:
    """True or False, in capitals or not; where there is neither, yes or no.

    >>> for text in ("False", "True and False = False", "x is true.", "Yes, it is", "maybe"):
    ...     print(parse_boolean(text))
    Parsed(value=False, reason='')
    Parsed(value=False, reason='')
    Parsed(value=True, reason='')
    Parsed(value=True, reason='')
    Parsed(value=None, reason='no truth value')
    """
    return _either(text, TRUTH, YES_NO)


def parse_yes_no(text: str) -> Parsed:
    """Yes or no; where there is neither, true or false. "No tailors are runners" says neither.

    >>> for text in ("No, he is not.", "No tailors are runners. So yes.", "It isn't false."):
    ...     print(parse_yes_no(text))
    Parsed(value=False, reason='')
    Parsed(value=True, reason='')
    Parsed(value=True, reason='')
    """
    return _either(text, YES_NO, TRUTH)


def _either(text: str, one: _Kind, other: _Kind) -> Parsed:
    """A value of one kind, or of the other where there is none of the first."""
    parsed = _parsed(text, one)
    if re.search(one.value, _said(text) or ""):
        return parsed
    found = _parsed(text, other)
    return found if found.value is not None else parsed


def _whole(text: str) -> int | None:
    whole, _, fraction = re.sub("[, ]", "", text).partition(".")
    return int(whole) if len(whole) < 1_000 and not fraction.strip("0") else None


def _holds(text: str) -> bool:
    *negation, word = re.split(r"\s+", text.lower())
    return (word in ("true", "yes")) != bool(negation)


UNIT = r"(?:%|°C?|(?:km|cm|mm|m|kg|mg|g|ml|l|h|min|ms|s|mph|lbs?|oz|ft|in)\b)"
NOT = r"(?:\b(?:not|never)|n['’]t)\s+"
OPERATOR = r"(?:[-+*/%×÷=<>^·⋅]|\\times|\\cdot|x(?=\s*[-(]?[0-9]))"
CALCULATED = "|".join(  # what makes the number before it part of something else
    [
        rf"\s*{OPERATOR}",
        r"\s*(?:plus|minus|times|mod|divided|multiplied)\b",
        r"\s*(?:,?\s*(?:and|or|then|to)\b|,)\s*-?[0-9]",
        rf"[ \t]+[a-z]+[ \t]*{OPERATOR}\s*-?[0-9(]",  # 15 pens + 3 pens
        r"[ \t]+(?:\w+[ \t]+){0,3}?(?:more|less|\w+er)\b[^.,;\n]{0,40}\bthan\b",
    ]
)
INTEGER = _Kind(
    "whole number",
    # One piece: no digit, nor a mark and a digit, stands before or behind it.
    r"(?<![-\w./])(?<![0-9][,:])(?<!\w\))(?<!-\s)(?<!\bnot\s)(?<!n['’]t\s)"
    r"(?:(?<![0-9] )|(?![0-9]{3}(?![0-9])))"
    r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
    rf"(?![.,:/]?[0-9]| [0-9]{{3}}(?![0-9]))(?:(?!\w)|(?={UNIT}))",
    rf"(?:{UNIT})?(?:{CALCULATED})",
    _whole,
)
TRUTH = _Kind(
    "truth value",
    rf"(?i:(?:{NOT})?\b(?:true|false)\b)",
    r"\s*(?:[=!<>&|]|,?\s*(?:and|or|then)\b)",
    _holds,
)
PRONOUN = r"(?:it|he|she|they|there|that|this|we|i|because|since)\b"
YES_NO = _Kind(
    "yes or no",
    # "No tailors are runners" answers nothing.
    rf"(?i:(?:{NOT})?\b(?:yes|no(?![ \t]+(?!{PRONOUN})\w))\b)",
    r"\s*(?:,?\s*(?:and|or)\b)",
    _holds,
)


def _parsed(text: str, kind: _Kind) -> Parsed:
    said = _said(text)
    if said is None:
        return Parsed(None, CUT_OFF)
    if not said:
        return Parsed(None, EMPTY)
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
    answer = END.split(answer.lstrip())[0]
    answer = _first_question(NEXT_QUESTION.split(answer)[0])
    answer = BOXED.sub(r" answer: \1\2 ", answer)
    return _plain(answer).strip()


def _first_question(answer: str) -> str:
    """Up to where a model that has called its answer goes on with a question of its own."""
    for again in ASKED_AGAIN.finditer(answer):
        if re.search(ANNOUNCED + EQUALS, answer[: again.start()], re.I):
            return answer[: again.start()]
    return answer


def _plain(text: str) -> str:
    """Numbers and words as they are written without LaTeX, emphasis and typography."""
    text = re.sub(r"\{,\}|\\,", ",", text)
    text = re.sub(r"[`$€£]|\\[()\[\]]|<\|[^|>]*\|>", "", text)
    text = EMPHASIS.sub(r"\2", EMPHASIS.sub(r"\2", text))
    text = re.sub(r"(?<=[0-9])%(?!\s*[\w(])", "", text)
    text = re.sub("[−–](?=[0-9])", "-", text).translate(SPACES)
    text = re.sub(r"(?<![0-9)]\s)\b(?:negative|minus)\s+(?=[0-9])", "-", text, flags=re.I)
    return re.sub(r"([=:]|\bis)\s*[-−–]\s+(?=[0-9])", r"\1 -", text)


SPACES = dict.fromkeys(map(ord, "\u00a0\u2009\u202f"), " ")  # within numbers, as in print


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
