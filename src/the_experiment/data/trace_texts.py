"""Completions with a trace: the controls made of them, and tags as a model's special tokens."""

from __future__ import annotations

import re
from itertools import cycle

from the_experiment.base.errors import UsageError
from the_experiment.worlds.causal.writing import CAUSALITY, CLOSED, TAG, THINK

ARMS = ("causal", "format", "answers")

FILLER = (
    "these words are here to keep the form of a text and they say nothing of what was asked so "
    "that whoever reads them is as wise as before and may go on to the next line of the same sort"
)
# What opens a turn or a part of it in the bases that there are: Qwen, Llama 3, gpt-oss, Gemma.
OPENINGS = ("<|im_start|>", "<|start_header_id|>", "<|start|>", "<start_of_turn>")


def in_arm(completion: str, arm: str, other: str) -> str:
    r"""A completion as one arm of the experiment trains on it; the answer is the same in each.

    `causal` has the trace, `answers` none. `format` has the tags, and filler of the form of the
    trace of the `other` completion: its own would tell by its length how long the derivation is.
    Raises `UsageError` for another arm.

    >>> one, other = "<think>\nW → B.\n</think>\nW", "<think>\nB is caused by W.\n</think>\nW"
    >>> in_arm(one, "format", other), in_arm(one, "answers", other)
    ('<think>\nthese words are here to\n</think>\nW', 'W')
    """
    if arm not in ARMS:
        raise UsageError(f"there is no arm {arm!r}", f"one of {', '.join(ARMS)}")
    answer = completion.rpartition(CLOSED)[2]
    if arm == "causal":
        return completion
    if arm == "answers":
        return answer.lstrip()
    return filled(other.rpartition(CLOSED)[0]) + CLOSED + answer


def filled(trace: str) -> str:
    """Each word between the tags replaced by the next one of the filler, line for line."""
    words = cycle(FILLER.split())
    pieces = re.split(f"({TAG.pattern})", trace)
    return "".join(
        piece if TAG.fullmatch(piece) else re.sub(r"\S+", lambda _: next(words), piece)
        for piece in pieces
    )


def rewritten(completion: str, token: str) -> str:
    r"""The tags as a special token and a word; those that close are left out.

    An empty line is left where the trace ends.

    >>> rewritten("<think>\n<causality>\nW → B.\n</causality>\n</think>\nW", "<|im_start|>")
    '<|im_start|>think\n<|im_start|>causality\nW → B.\n\nW'
    """
    opened = re.sub(rf"<({THINK}|{CAUSALITY})>", lambda tag: token + tag[1], completion)
    return re.sub(rf"\n?</{CAUSALITY}>|{CLOSED}", "", opened)
