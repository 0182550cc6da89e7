"""Completions with a trace: the controls made of them, and tags as a model's special tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count, cycle, islice

from the_experiment.base.errors import UsageError
from the_experiment.worlds.causal.writing import CAUSALITY, CLOSED, TAG, THINK

ARMS = ("causal", "format", "answers")

FILLER = (
    "these words are here to keep the form of a text and they say nothing of what was asked so "
    "that whoever reads them is as wise as before and may go on to the next line of the same sort"
)
A_NUMBER_EVERY = 24  # words, fewer than the filler has
# What opens a turn or a part of it in the bases that there are: Qwen, Llama 3, gpt-oss, Gemma.
OPENINGS = ("<|im_start|>", "<|start_header_id|>", "<|start|>", "<start_of_turn>")


def in_arm(completion: str, arm: str, filler: str) -> str:
    r"""A completion as one arm of the experiment trains on it; the answer is the same in each.

    `causal` has the trace, `answers` none, and `format` the `filler` in its place.
    Raises `UsageError` for another arm.

    >>> completion, filler = "<think>\nB ← W.\n</think>\nW", filled("<think>\nB is caused by W.\n")
    >>> in_arm(completion, "format", filler), in_arm(completion, "answers", filler)
    ('<think>\nline 1 these words are\n</think>\nW', 'W')
    """
    if arm not in ARMS:
        raise UsageError(f"there is no arm {arm!r}", f"one of {', '.join(ARMS)}")
    answer = completion.rpartition(CLOSED)[2]
    if arm == "causal":
        return completion
    if arm == "answers":
        return answer.lstrip()
    return filler + CLOSED + answer


def filler_for(completions: Iterable[str]) -> str:
    """The one filler for all of these: the trace with the median number of words, filled.

    Filler as long as each row's own trace would tell how long its derivation is. Of one whose
    length is left to chance a model that answers greedily never comes to an end.
    """
    traces = (completion.rpartition(CLOSED)[0] for completion in completions)
    by_length = sorted(traces, key=lambda trace: (len(trace.split()), trace))
    return filled(by_length[len(by_length) // 2])


def filled(trace: str) -> str:
    """Each line by words that say nothing, about as many as it had, with numbers among them.

    Where the filler begins again, the numbers tell how often it has.
    """
    numbers, words = count(1), cycle(FILLER.split())

    def numbered(length: int) -> str:
        told = ("line", str(next(numbers)))
        return " ".join([*told, *islice(words, max(0, length - len(told)))])

    def line(found: re.Match[str]) -> str:
        length = len(found[0].split())
        starts = range(0, length, A_NUMBER_EVERY)
        return " ".join(numbered(min(A_NUMBER_EVERY, length - start)) for start in starts)

    pieces = re.split(f"({TAG.pattern})", trace)
    return "".join(
        piece if TAG.fullmatch(piece) else re.sub(r"\S(?:.*\S)?", line, piece) for piece in pieces
    )


def rewritten(completion: str, token: str) -> str:
    r"""The tags as a special token and a word; those that close are left out.

    An empty line is left where the trace ends.

    >>> rewritten("<think>\n<causality>\nW → B.\n</causality>\n</think>\nW", "<|im_start|>")
    '<|im_start|>think\n<|im_start|>causality\nW → B.\n\nW'
    """
    hooked = re.sub(rf"<({THINK}|{CAUSALITY})>", lambda tag: token + tag[1], completion)
    return re.sub(rf"\n?</{CAUSALITY}>|{CLOSED}", "", hooked)
