"""Rows to tune a model on, made of traces: their controls, their tags and their split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import replaced_folder
from the_experiment.base.seeds import derived_seed
from the_experiment.base.words import counted
from the_experiment.data.trace_folder import counts, write_manifest, write_rows
from the_experiment.data.trace_rows import (
    Side,
    TraceRow,
    read_traces,
    refuse_leaks,
    refuse_long,
    side_of,
)
from the_experiment.worlds.causal.writing import CAUSALITY, CLOSED, TAG, THINK

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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

    >>> completion = "<think>\nB ← W.\n</think>\nW"
    >>> filler = filler_trace("<think>\nB is caused by W.\n")
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
    return filler_trace(by_length[len(by_length) // 2])


def filler_trace(trace: str) -> str:
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


def with_special_tag(completion: str, token: str) -> str:
    r"""The tags as a special token and a word; those that close are left out.

    An empty line is left where the trace ends.

    >>> with_special_tag("<think>\n<causality>\nW → B.\n</causality>\n</think>\nW", "<|im_start|>")
    '<|im_start|>think\n<|im_start|>causality\nW → B.\n\nW'
    """
    hooked = re.sub(rf"<({THINK}|{CAUSALITY})>", lambda tag: token + tag[1], completion)
    return re.sub(rf"\n?</{CAUSALITY}>|{CLOSED}", "", hooked)


TEST = "test.jsonl"
LEARNT: tuple[Side, ...] = ("train", "valid")

Rows = Mapping[Side, Sequence[TraceRow]]


@dataclass(frozen=True)
class Preparation:
    """How rows are made.

    With `special`, tags are written with a special token: `token`, or the one that opens turns in
    the base's `tokenizer`. No row may be longer than `longest` tokens of that tokenizer, or
    characters where there is none; None is any length.
    """

    seed: int
    valid: float = 0.1  # shares of the graphs
    test: float = 0.1
    arms: Sequence[str] = ARMS
    special: bool = False
    token: str = ""
    longest: int | None = None
    tokenizer: PreTrainedTokenizerBase | None = None
    against: Sequence[Path] = ()

    @property
    def unit(self) -> str:
        """What texts are measured in."""
        return "tokens" if self.tokenizer else "characters"

    def length(self, text: str) -> int:
        """In tokens, with the one that ends it, or in characters."""
        if self.tokenizer is None:
            return len(text)
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"]) + 1

    def opening(self) -> str:
        """The token that tags are written with, if any. Raises `UsageError` for one unknown."""
        if not self.special:
            return ""
        if self.tokenizer is None:
            if not self.token:
                raise UsageError("no special token given", "name it with --token, or give a --base")
            return self.token
        token = self.token or opening_token(self.tokenizer)
        if len(self.tokenizer(token, add_special_tokens=False)["input_ids"]) != 1:
            raise UsageError(f"{token!r} is not one token of the base", "choose another --token")
        return token


def opening_token(tokenizer: PreTrainedTokenizerBase) -> str:
    """The special token that opens turns in a base. Raises `UsageError` where none is known."""
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    for token in OPENINGS:
        if token in special:
            return token
    raise UsageError(
        f"the base's tokenizer has none of {', '.join(OPENINGS)}", "choose one with --token"
    )


def prepared(sources: Sequence[Path], folder: Path, how: Preparation) -> Path:
    """Write rows of `prompt` and `completion` for each arm, and the rows held out, into a folder.

    `ARM/train.jsonl` and `ARM/valid.jsonl` have the same rows in the same order in each arm;
    `test.jsonl` has those of the graphs in neither, as they were read. All rows of a graph go to
    one side; a row is left out whose component is asked about on the other side. Rows that say of
    themselves that they are not `right` are left out. Raises
    `ExperimentError` with the number of the line for rows that are no use, or that leak from a set
    in `against`; nothing is written then.
    """
    token = how.opening()
    read = [row for source in sources for row in read_traces(source)]
    rows = [row for row in read if row.columns.get("right") is not False]
    if not rows:
        raise ExperimentError("every row is known to be wrong", "give others")
    sides = _sides(rows, how)
    for evaluation in how.against:
        refuse_leaks([*sides["train"], *sides["valid"]], evaluation)
    filler = filler_for(row.completion for row in rows)
    learnt = {
        f"{arm}/{side}.jsonl": [_in_arm(row, arm, filler, token) for row in sides[side]]
        for arm in how.arms
        for side in LEARNT
    }
    texts = [row for made in learnt.values() for row in made]
    if how.longest is not None:
        refuse_long(texts, how.longest, how.length, how.unit)
    with replaced_folder(folder) as new:
        for name, made in learnt.items():
            write_rows(new / name, map(_line, made))
        if sides["test"]:
            write_rows(new / TEST, (row.columns for row in sides["test"]))
        told = {
            "sources": [str(source) for source in sources],
            "wrong": len(read) - len(rows),
            "twins": len(rows) - sum(map(len, sides.values())),
            "seed": how.seed,
            "arms": [*how.arms],
            "token": token,
            "longest": max(how.length(row.prompt + row.completion) for row in texts),
            "unit": how.unit,
            "against": [str(path) for path in how.against],
        }
        write_manifest(new, {**told, **_told(sides)})
    return folder


def _sides(rows: Sequence[TraceRow], how: Preparation) -> Rows:
    """The rows to train on, to validate and to test, each graph's and component's on one side.

    A row is on no side where its graph is held out for the test and its component isn't, or the
    other way round.
    """
    sides: dict[Side, list[TraceRow]] = {"train": [], "valid": [], "test": []}
    held_out = _held_out_components(rows, how)
    for row in rows:
        side = side_of(row.graph, how.seed, how.valid, how.test)
        if not row.component or (row.component in held_out) == (side == "test"):
            sides[side].append(row)
    shares: dict[Side, float] = {"train": 1.0, "valid": how.valid, "test": how.test}
    for side, share in shares.items():
        if share and not sides[side]:
            graphs = len({row.graph for row in rows})
            raise ExperimentError(
                f"{counted(graphs, 'graph')} leave none for {side}",
                "give more rows, or other shares for --valid and --test",
            )
    return sides


def _held_out_components(rows: Sequence[TraceRow], how: Preparation) -> set[str]:
    """Components in random order, until they have the share of rows to be tested; never all.

    There are few, and two of them are asked about in most questions: a share of the components
    themselves would be of hardly any row, or of most.
    """
    sizes = Counter(row.component for row in rows if row.component)
    order = sorted(sizes, key=lambda component: derived_seed(how.seed, "component", component))
    held_out: set[str] = set()
    for component in order[:-1]:
        if sum(sizes[one] for one in held_out) < how.test * sizes.total():
            held_out.add(component)
    return held_out


def _in_arm(row: TraceRow, arm: str, filler: str, token: str) -> TraceRow:
    completion = in_arm(row.completion, arm, filler)
    return replace(row, completion=with_special_tag(completion, token) if token else completion)


def _line(row: TraceRow) -> dict[str, Any]:
    return {"prompt": row.prompt, "completion": row.completion, **row.about}


def _told(sides: Rows) -> dict[str, Any]:
    return {
        "rows": {side: len(rows) for side, rows in sides.items()},
        "graphs": {side: len({row.graph for row in rows}) for side, rows in sides.items()},
        "counts": {side: counts(row.about for row in rows) for side, rows in sides.items()},
    }
