"""Asking a tuned model by hand: its trace in colour, its answer below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from the_experiment.base.errors import ExperimentError
from the_experiment.worlds.causal.writing import CAUSALITY, REWRITTEN, TAG, THINK, read_answer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COLOURS = {THINK: "cyan", CAUSALITY: "magenta"}
TAGGED = re.compile(f"{TAG.pattern}|{REWRITTEN.pattern}", re.MULTILINE)


def coloured(written: str) -> Text:
    """What a model wrote, each part of its trace in its colour, tags dim and the rest bold.

    >>> text = coloured("<think>\\nTold: W → B.\\n</think>\\nW")
    >>> text.plain == "<think>\\nTold: W → B.\\n</think>\\nW", [span.style for span in text.spans]
    (True, ['dim', 'cyan', 'dim', 'bold'])
    """
    text, inside, done = Text(), [], 0  # type: Text, list[str], int
    for tag in TAGGED.finditer(written):
        text.append(written[done : tag.start()], _style(inside))
        text.append(tag.group(), "dim")
        inside = _after(inside, tag)
        done = tag.end()
    text.append(written[done:], _style(inside))
    return text


def _style(inside: list[str]) -> str:
    return COLOURS.get(inside[-1], "bold") if inside else "bold"


def _after(inside: list[str], tag: re.Match[str]) -> list[str]:
    """The parts that are open behind a tag, the innermost last; rewritten tags have no end."""
    if tag.group().startswith("</"):
        return inside[:-1]
    name = tag.group(1) or tag.group().strip("<>")
    return [*inside, name]


def reply(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, question: str, max_new_tokens: int
) -> tuple[Text, str | None]:
    """What the model writes after a question, coloured, and the answer that is read from it.

    Raises `ExperimentError` for a question without room.
    """
    from the_experiment.models.asking import SHORTEN, prompt_text
    from the_experiment.models.decoding import greedy
    from the_experiment.models.scoring import max_positions
    from the_experiment.models.texts import prompt_ids

    asked = prompt_text(tokenizer, f"{question.strip()}\n")
    positions, tokens = max_positions(model), len(prompt_ids(tokenizer, asked))
    most = max_new_tokens if positions is None else min(max_new_tokens, positions + 1 - tokens)
    if most < 1:
        raise ExperimentError(f"{tokens} tokens exceed the context length, {positions}", SHORTEN)
    (written,) = greedy(model, tokenizer, [asked], most)
    return coloured(written), read_answer(written)


def questions_from(lines: Iterable[str]) -> Iterator[str]:
    """A question from each line that is not empty."""
    return (line.strip() for line in lines if line.strip())
