"""Traces asked for: a benchmark's prompts, answered through any OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from the_experiment.base.files import write_json, write_text
from the_experiment.base.words import counted
from the_experiment.data.trace_rows import ASKED_FOR
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.traces.asking import Answered, Cost, EndpointRequests, Prompt
from the_experiment.worlds.causal.writing import CAUSALITY, THINK

RESULTS = "results.json"
CUT = "length"  # why a reply ended that had no more room
STALE = ("think", "causality")  # columns of a puzzle that its new trace takes the place of

# What the report on the models called Claire ("LLM Causal Reasoning: Initial Report", 5.3.1) asks
# of a generator of traces: think and causality tags, the second inside of the first; a world model
# built from the question and from knowledge, then causal reasoning about it, step by step and
# reassessed; thinking before and after where it is needed; the whole trace given back; then the
# answer. The wording is ours, and so is the last line: an answer alone on its line can be graded.
INSTRUCTIONS = f"""\
You write training examples for a small language model that is to learn causal reasoning.
For the question you are given, write out the reasoning and then the answer.

Reason about causes as carefully as you can, one step at a time, and go back over a step that does
not hold. Keep to this form, tags included, and leave out no part of the reasoning:

<{THINK}>
Thoughts on the question; leave them out if none are needed.
<{CAUSALITY}>
A model of the world: the things that matter here and which causes which, from the question and
from what you know.
Then the causal reasoning from this model to what is asked.
</{CAUSALITY}>
Further thoughts, if any are needed.
</{THINK}>
The answer to the question, alone on this line and as short as it can be."""

WHOLE = re.compile(rf"<{THINK}>(.*)</{THINK}>(.*)", re.DOTALL)
INNER = re.compile(rf"<{CAUSALITY}>(.*?)</{CAUSALITY}>", re.DOTALL)
TAG = re.compile(rf"</?(?:{THINK}|{CAUSALITY})>")


def in_form(text: str) -> bool:
    """Whether a reply is a trace in its tags, all closed, the inner not empty; then an answer.

    >>> in_form("<think>\\n<causality>\\nA → B\\n</causality>\\n</think>\\nA")
    True
    >>> in_form("<causality>\\nA → B\\n</causality>\\nA"), in_form("A")
    (False, False)
    """
    whole = WHOLE.fullmatch(text.strip())
    if not whole or not whole[2].strip() or TAG.search(whole[2]):
        return False
    inner = INNER.findall(whole[1])
    rest = INNER.sub("", whole[1])
    clean = not TAG.search(rest) and not any(TAG.search(one) for one in inner)
    return bool(inner) and clean and all(one.strip() for one in inner)


@dataclass(frozen=True)
class TraceReplies:
    """What came of the prompts: the rows to train on, and how good they are."""

    rows: list[dict[str, Any]]  # those in form
    asked: int
    formed: Rate  # of the replies
    right: Rate  # of the rows whose answer is known
    commonest: Rate  # the same for whoever always gives the commonest answer
    refused: list[str]  # why, for each prompt that the endpoint won't answer
    paid: Cost

    def as_json(self) -> dict[str, Any]:
        """The figures, for a file and for `--json`."""
        return {
            "prompts": self.asked,
            "in_form": self.formed.as_json(),
            "right": self.right.as_json(),
            "commonest_answer": self.commonest.as_json(),
            "refused": self.refused,
            "tokens_read": self.paid.read,
            "tokens_written": self.paid.written,
            "cost": self.paid.total,
        }

    def sentences(self) -> Iterator[str]:
        """What to print."""
        yield f"in the form asked for: {self.formed} of the replies; the others are left out"
        if self.right.n:
            yield (
                f"right where the answer is known: {self.right}; "
                f"the commonest answer would be: {self.commonest}"
            )
        if self.refused:
            yield f"refused: {counted(len(self.refused), 'prompt')}, asked again in the next run"
        yield f"paid in all: {self.paid}"


def ask_traces(
    asking: EndpointRequests,
    prompts: Sequence[Prompt],
    progress: Callable[[int], None] = lambda _: None,
) -> TraceReplies:
    """Ask for the traces that are missing, and write the rows and figures into the folder.

    `progress` is told how many more replies are there. Raises what `Asking.answers` raises.
    """
    answered = asking.answers([prompt.text for prompt in prompts], progress)
    traced = _traced(asking.model, prompts, answered)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in traced.rows)
    write_text(asking.folder / ASKED_FOR, "".join(lines))
    write_json(asking.folder / RESULTS, traced.as_json())
    return traced


def _traced(model: str, prompts: Sequence[Prompt], answered: Answered) -> TraceReplies:
    found = zip(prompts, answered.replies, strict=True)
    replied = [(prompt, reply) for prompt, reply in found if reply]
    formed = [
        (prompt, reply.text.strip())
        for prompt, reply in replied
        if reply.finish != CUT and in_form(reply.text)
    ]
    rows = [_row(prompt, text, model) for prompt, text in formed]
    known = [prompt.answer for prompt, _ in formed if prompt.answer is not None]
    return TraceReplies(
        rows=rows,
        asked=len(prompts),
        formed=Rate(len(formed), len(replied)),
        right=Rate(sum(row["right"] is True for row in rows), len(known)),
        commonest=Rate(max(Counter(known).values(), default=0), len(known)),
        refused=answered.refused,
        paid=answered.paid,
    )


def _row(prompt: Prompt, text: str, model: str) -> dict[str, Any]:
    """What the prompt's own row tells, with the trace as its completion."""
    kept = {name: value for name, value in prompt.row.items() if name not in STALE}
    return {
        **kept,
        "prompt": f"{prompt.text}\n",
        "completion": text,
        "answer": prompt.answer,
        "right": prompt.right(text),
        "written_by": model,
    }
