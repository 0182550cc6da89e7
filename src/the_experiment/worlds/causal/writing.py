"""Puzzles in words: graph, question, trace and answer, and the answer read back from a text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from the_experiment.worlds.answers import parse_integer, parse_yes_no
from the_experiment.worlds.causal.graphs import variables
from the_experiment.worlds.causal.puzzle import NONE, YES_NO, Edge, Puzzle
from the_experiment.worlds.generators import Random, one_of

EDGE = (
    "{cause} causes {effect}.",
    "{cause} leads to {effect}.",
    "{effect} is caused by {cause}.",
    "{cause} has a direct effect on {effect}.",
    "One direct cause of {effect} is {cause}.",
)
AT_ONCE = "let {}."


def describe_edges(edges: Sequence[Edge], rng: Random) -> str:
    """The edges as sentences of one wording, in the order they come in.

    >>> import numpy as np
    >>> describe_edges([("W", "B"), ("rain", "mud")], np.random.RandomState(2))
    'B is caused by W. Mud is caused by rain.'
    """
    wording = one_of(rng, (*EDGE, AT_ONCE))
    if wording == AT_ONCE:
        return capitalized(wording.format(joined([f"{one} cause {other}" for one, other in edges])))
    return " ".join(capitalized(wording.format(cause=one, effect=other)) for one, other in edges)


def capitalized(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def joined(names: Sequence[str], last: str = "and") -> str:
    """Names in a row.

    >>> joined(["B"]), joined(["B", "C", "D"])
    ('B', 'B, C and D')
    """
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def arrows(edges: Iterable[Edge]) -> str:
    """The line that a trace begins with: the edges as told, each from its effect.

    Derivations go back from effect to cause: what they look up stands here in the same order.

    >>> arrows([("W", "B"), ("B", "C")])
    'Told: B ← W, C ← B.'
    """
    return f"Told: {', '.join(f'{effect} ← {cause}' for cause, effect in edges)}."


def along(edges: Collection[Edge], path: Sequence[str]) -> str:
    """A path with its arrows as they point.

    >>> along([("W", "B"), ("W", "C")], ["B", "W", "C"])
    'B ← W → C'
    """
    told = path[0] if path else ""
    for one, other in pairwise(path):
        told += f" {'→' if (one, other) in edges else '←'} {other}"
    return told


def lines(*texts: str) -> str:
    """The text of a trace."""
    return "\n".join(texts)


THINK, CAUSALITY = "think", "causality"  # the tags, the second inside of the first
CLOSED = f"</{THINK}>"
TAG = re.compile(rf"</?(?:{THINK}|{CAUSALITY})>")
# Tags in the form of special tokens, `<|im_start|>think`, or without the token where it was
# skipped in decoding.
REWRITTEN = re.compile(rf"^\S*({THINK}|{CAUSALITY}|answer)$", re.MULTILINE)
LABEL = re.compile(r"^\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is\s*)?:\s*", re.IGNORECASE)
ANNOUNCED = re.compile(r"\banswer\s*(?:is\b|:)[\s:*]*([^\n.]+)", re.IGNORECASE)


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
    """Whether what a model wrote after the prompt comes to the right answer, in whatever form.

    A sentence counts as well: by what `worlds.answers` reads in it, or by the variables in it that
    were not asked about, where it is called the answer or comes first.
    """
    written = read_answer(text)
    if written is None:
        return False
    if puzzle.asks == "yes-no":
        return parse_yes_no(_after_trace(text)).value is (puzzle.answer == "yes")
    if puzzle.asks == "number":
        return str(parse_integer(_after_trace(text)).value) == puzzle.answer
    announced = ANNOUNCED.findall(_after_trace(text))
    written = announced[-1] if announced else written
    expected = {*puzzle.answer.split(", ")} - {NONE}
    named = _named(puzzle, written)
    return named == expected and (bool(named) or written.lower().startswith(NONE))


def is_bare_answer(puzzle: Puzzle, text: str) -> bool:
    """Whether the answer is a line of its own after the trace, if any, and says nothing more.

    Right or wrong, it is then an answer such as the question has: yes or no, a number, variables.
    """
    written = read_answer(text)
    if written is None or _after_trace(text).strip().removesuffix(".") != written:
        return False
    if puzzle.asks == "yes-no":
        return written in YES_NO
    if puzzle.asks == "number":
        return written.isdecimal()
    return written == NONE or {*written.split(", ")} <= {*variables(puzzle.edges)}


def _named(puzzle: Puzzle, written: str) -> set[str]:
    """The variables in a text but for those asked about; a letter counts as a capital only."""
    flags = 0 if puzzle.naming == "letters" else re.IGNORECASE
    return {
        name
        for name in variables(puzzle.edges)
        if name not in puzzle.asked and re.search(rf"\b{re.escape(name)}\b", written, flags)
    }
