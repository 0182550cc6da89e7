"""The value that a model's answer gives, read as a person would read it; or why there is none.

In this order: a value that the answer begins with; what it calls its answer, the last time it does;
what it says that the asked thing is; its last conclusion ("x = 12", "x is now 12"); the only value
in it. Anything else is no answer: neither a premise repeated from the question, nor the sentence in
which a text was cut off.
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
EQUALS = (
    r"(?:=|:|→|->|\b(?:is|are|be|equals|becomes|gives|makes|yields|was|(?<!from [0-9] )"
    r"(?<!from [0-9]{2} )to))"
)
SOFTENED = r"(?:\s*\b(?:now|still|then|thus|therefore|also|just|simply|again|you|us|me)\b)?"
ANNOUNCED = r"\b(?:answer|final\s+(?:value|result|output|state|number)|final)\b[^.,;?!\n]{0,80}?"
END = re.compile(  # of a text, in the special tokens of the common tokenizers
    r"</s>|<(?:eos|end_of_turn)>|<\|(?:endoftext|end_of_text|end|eot_id|im_end|eos)\|>"
)
NEXT_QUESTION = re.compile(r"\n\s*(?:question|q|problem|exercise|user|human)\b\s*\d*\s*:", re.I)
ASKED_AGAIN = re.compile(r"\n[ \t]*\n[^\n]*\?[ \t]*(?=\n|$)")  # a paragraph of one question
BOXED = re.compile(
    r"((?<![0-9)])(?<![0-9)]\s)(?:[-−–]|\b(?:minus|negative)\s))?\\boxed\s*\{((?:[^{}]|\{,\})*)\}|####"
)
SENTENCE_END = re.compile(r"[.!?](?=[\s\"')*])|(?<![0-9])[.!?]$|\n")
CODE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.S)
STATEMENT = re.compile(r"^\s*(?:def|for|while|import|from|if|print)\b", re.M)
PREMISE = re.compile(r"\b([A-Za-z_]\w*) *= *(-?[0-9]+|True|False)\b(?! *[-+*/%])")
ASKED = re.compile(
    r"(?:\b(?:what is|compute|calculate|evaluate|how much is)\s+|^#\s*)"
    r"([A-Za-z_]\w*|[^?\n]*[0-9][^?\n]*?)\s*(?:[?:]|\.?$)",
    re.I | re.M,
)
REASON = re.compile(r"\b(?:because|since|given that)\b[^.,\n]*", re.I)
DANGLING = re.compile(r"(?:[-+*/%=(:→]|\b(?:is|equals|becomes|plus|minus|times|and|or|not))\s*$")
LIST_MARK = re.compile(r"^\s*(?:[-*•]\s+)?(?:step\s+)?[0-9]+[.):](?=\s)", re.I | re.M)
EMPHASIS = re.compile(r"(?<![\w*)])(\*{1,3}|__?)(?=\S)([^*\n]*?\S)\1(?![\w*(])")


def parse_integer(text: str, question: str = "", cut: bool = False) -> Parsed:
    """The whole number that an answer to a question gives; `cut`: it had no room for more.

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
    >>> parse_integer("4 * 9 = 36. Nine times that is 324.", "What is 4 * 9?").value
    36
    >>> parse_integer("She has 5 x 5 = 25 apples. So she has 2", cut=True).value
    25
    """
    return _parsed(text, INTEGER, question, cut)


def parse_boolean(text: str, question: str = "", cut: bool = False) -> Parsed:
    """True or False, in capitals or not. "Yes" doesn't say which.

    >>> for text in ("False", "True and False = False", "x is true.", "Yes", "Yes, it is true"):
    ...     print(parse_boolean(text))
    Parsed(value=False, reason='')
    Parsed(value=False, reason='')
    Parsed(value=True, reason='')
    Parsed(value=None, reason='no truth value')
    Parsed(value=True, reason='')
    """
    return _parsed(text, TRUTH, question, cut)


def parse_yes_no(text: str, question: str = "", cut: bool = False) -> Parsed:
    """Yes or no; where there is neither, true or false. "No tailors are runners" says neither.

    >>> for text in ("No, he is not.", "No tailors are runners. So yes.", "It isn't false."):
    ...     print(parse_yes_no(text))
    Parsed(value=False, reason='')
    Parsed(value=True, reason='')
    Parsed(value=True, reason='')
    """
    parsed = _parsed(text, YES_NO, question, cut)
    if re.search(YES_NO.value, _said(_answer(text), question)):
        return parsed
    found = _parsed(text, TRUTH, question, cut)
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
        r"\s+(?:from|by|and|to)\s+[b-hj-z]\b",  # the subtraction of 2 from m
        r"\s+is\s+an?\b",  # 20 is an even number
    ]
)
INTEGER = _Kind(
    "whole number",
    # One piece: no digit, nor a mark and a digit, stands before or behind it.
    r"(?<![-\w./])(?<![0-9][,:])(?<!\w\))(?<!-\s)(?<!\bnot\s)(?<!n['’]t\s)"
    r"(?<![\w)] [+*/×÷^] )(?<!\bplus )(?<!\btimes )"
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


def _parsed(text: str, kind: _Kind, question: str, cut: bool) -> Parsed:
    answer = _answer(text)
    said = _said(answer, question)
    if "<think>" in answer:
        return Parsed(None, CUT_OFF)
    if not said:
        return Parsed(None, EMPTY)
    stated = _first(said, kind)
    cut = cut and text.endswith(answer)  # and not in what came after it
    if cut and not stated:
        said = _finished(said)
    stated = stated or _last(said, kind, ANNOUNCED + EQUALS) or _asked(said, kind, question)
    if not stated and DANGLING.search(said):
        return Parsed(None, CUT_OFF)
    stated = stated or _last(REASON.sub("", said), kind, EQUALS)
    if not stated and cut:
        return Parsed(None, CUT_OFF)
    return _one_of([stated], kind) if stated else _only(LIST_MARK.sub("", said), kind)


def _finished(said: str) -> str:
    """Without the sentence at its end, which may have gone on."""
    ends = [found.end() for found in SENTENCE_END.finditer(said)]
    return said[: ends[-1]] if ends else ""


def _asked(said: str, kind: _Kind, question: str) -> str:
    """The value that the asked expression or variable has, the last time that is said."""
    found = ASKED.findall(question)
    if not found:
        return ""
    expression = r"\s*".join(map(re.escape, found[-1].split()))
    return _last(said, kind, rf"(?<![\w*/+-])(?<![*/+-]\s){expression}\s*{EQUALS}")


def _only(said: str, kind: _Kind) -> Parsed:
    """The value that an answer without a conclusion gives."""
    parsed = _one_of(re.findall(kind.value, said), kind)
    if parsed.value is not None and re.search(kind.value + kind.goes_on, said):
        return Parsed(None, EXPRESSION)
    return parsed


def _answer(text: str) -> str:
    """The answer without thoughts before it and further questions after it."""
    answer = text.rpartition("</think>")[2].lstrip()
    return _first_question(NEXT_QUESTION.split(END.split(answer)[0])[0])


def _said(answer: str, question: str) -> str:
    """An answer without code, marks of emphasis, and what the question told already.

    What a model puts in a box (LaTeX) or behind `####` is what it calls its answer.
    """
    answer = CODE.sub(lambda code: "" if STATEMENT.search(code[1]) else code[1], answer)
    answer = BOXED.sub(r" answer: \1\2 ", answer)
    return _without_premises(_plain(answer), question).strip()


def _without_premises(answer: str, question: str) -> str:
    """Without the values that the question gives to variables other than the one it asks for."""
    asked = ASKED.findall(question)
    for name, value in PREMISE.findall(question):
        if name not in asked:
            answer = re.sub(rf"\b{name} *= *{re.escape(value)}\b(?! *[-+*/%])", name, answer)
    return answer


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
