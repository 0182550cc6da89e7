"""A puzzle's trace and answer as a text, and the answer read back from what a model wrote."""

from __future__ import annotations

import re

from the_experiment.worlds.answers import parse_integer, parse_yes_no
from the_experiment.worlds.causal.graphs import variables
from the_experiment.worlds.causal.puzzle import NONE, Puzzle

THINK, CAUSALITY = "think", "causality"  # the tags, the second inside of the first
CLOSED = f"</{THINK}>"
TAG = re.compile(rf"</?(?:{THINK}|{CAUSALITY})>")
# Tags in the form of special tokens, `<|im_start|>think`, or without the token where it was
# skipped in decoding.
REWRITTEN = re.compile(rf"^\S*({THINK}|{CAUSALITY}|answer)$", re.MULTILINE)
LABEL = re.compile(r"^\s*(?:the\s+)?(?:final\s+)?answer\s*:\s*", re.IGNORECASE)


def prompt_of(puzzle: Puzzle) -> str:
    """What a model is asked: the question, and a line break."""
    return f"{puzzle.question}\n"


def completion_of(puzzle: Puzzle) -> str:
    """The trace in its tags, and the answer on a line of its own."""
    return (
        f"<{THINK}>\n{puzzle.think}\n<{CAUSALITY}>\n{puzzle.causality}\n</{CAUSALITY}>\n"
        f"</{THINK}>\n{puzzle.answer}"
    )


def read_answer(text: str) -> str | None:
    r"""The first line after the trace, without its full stop; None where no answer is reached.

    Behind `Answer:` it is what follows, on that line or the next.

    A trace ends with `</think>`. Where its tags are rewritten to special tokens, which have no
    closing ones, it ends with the first empty line after the last of them. A text without a trace
    is the answer itself.

    >>> read_answer("<think>\nTold: B ← W.\n</think>\nW"), read_answer("<think>\nTold: B ← W.")
    ('W', None)
    >>> read_answer("<|im_start|>think\nTold: B ← W.\n\nW.\n\nSo it is."), read_answer("yes")
    ('W', 'yes')
    """
    answer = LABEL.sub("", _after_trace(text))
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else None


def _after_trace(text: str) -> str:
    if CLOSED in text:
        return text.rpartition(CLOSED)[2]
    if TAG.search(text):
        return ""
    openings = list(REWRITTEN.finditer(text))
    if not openings:
        return text
    rest = text[openings[-1].end() :]
    return rest if openings[-1][1] == "answer" else rest.partition("\n\n")[2]


def is_right(puzzle: Puzzle, text: str) -> bool:
    """Whether what a model wrote after the prompt ends in the right answer.

    A sentence counts as well: by what `worlds.answers` reads in it, or by the variables in it that
    were not asked about.
    """
    written = read_answer(text)
    if written is None:
        return False
    if puzzle.asks == "yes-no":
        return parse_yes_no(written).value is (puzzle.answer == "yes")
    if puzzle.asks == "number":
        return str(parse_integer(written).value) == puzzle.answer
    expected = {*puzzle.answer.split(", ")} - {NONE}
    named = _named(puzzle, written)
    return named == expected and (bool(named) or written.lower().startswith(NONE))


def _named(puzzle: Puzzle, written: str) -> set[str]:
    """The variables in a text but for those asked about; a letter counts as a capital only."""
    flags = 0 if puzzle.naming == "letters" else re.IGNORECASE
    return {
        name
        for name in variables(puzzle.edges)
        if name not in puzzle.asked and re.search(rf"\b{re.escape(name)}\b", written, flags)
    }
