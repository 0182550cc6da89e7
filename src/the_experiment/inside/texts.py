"""A prompt and a completion as a model reads them, each token with the part it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from the_experiment.base.errors import UsageError
from the_experiment.models.texts import Offsets, encode, offsets
from the_experiment.worlds import World
from the_experiment.worlds.template import Span

Spans = Mapping[str, Span | None]  # by part: where it stands; None for one that isn't there

END = "⏎end"  # how the end token is shown
AND = "+"  # between the names of parts that share a token


@dataclass(frozen=True)
class TokenizedExample:
    """One text, token by token. What is read at a position decides the token after it."""

    prompt: str
    completion: str
    ids: tuple[int, ...]  # with the end token, which is written and never read
    tokens: tuple[str, ...]  # as they are shown to people
    parts: tuple[str, ...]  # the input or output each belongs to; empty for what is between them
    begins: int  # the first token of the completion

    @property
    def labels(self) -> tuple[str, ...]:
        """Every token with its part, as axes show them: `1 A`."""
        named = zip(self.tokens, self.parts, strict=True)
        return tuple(f"{token} {part}" if part else token for token, part in named)

    @property
    def part_labels(self) -> tuple[str, ...]:
        """Every token's part, or itself between parts: for axes over many texts."""
        return tuple(part or token for token, part in zip(self.tokens, self.parts, strict=True))

    @property
    def inputs(self) -> Tensor:
        """(1, positions): what the model reads."""
        return torch.tensor([self.ids[:-1]])

    @property
    def targets(self) -> Tensor:
        """(positions,): the token after each position."""
        return torch.tensor(self.ids[1:])

    def read_at(self, name: str) -> list[int]:
        """The positions at which the tokens of an input or output are read."""
        return [at for at, parts in enumerate(self.parts[:-1]) if name in parts.split(AND)]

    def written_at(self, part: str) -> list[int]:
        """The positions at which the tokens of a part of the completion are decided."""
        tokens = range(self.begins, len(self.ids))
        return [token - 1 for token in tokens if part in self.parts[token].split(AND)]

    @property
    def shape(self) -> tuple[int, tuple[str, ...]]:
        """Texts of the same shape have the same parts at the same positions."""
        return self.begins, self.parts

    @property
    def completing(self) -> range:
        """The positions at which the completion is decided."""
        return range(self.begins - 1, len(self.ids) - 1)


def text_of(
    tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str, asked: Spans, answered: Spans
) -> TokenizedExample:
    """The text of a prompt and a completion, with the places of the parts of each.

    >>> from the_experiment.data.tokenizer import character_tokenizer
    >>> text = text_of(character_tokenizer("x=1"), "x=", "1", {"name": Span(0, 1, 1)}, {})
    >>> text.tokens, text.parts
    (('x', '=', '1', '⏎end'), ('name', '', '', ''))
    """
    encoded = encode(tokenizer, prompt, completion)
    before = offsets(tokenizer, prompt)
    tokens = [visible(prompt[slice(*place)]) for place in before]
    tokens += [visible(completion[slice(*place)]) for place in encoded.offsets[:-1]]
    parts = _parts(before, asked) + _parts(encoded.offsets[:-1], answered)
    return TokenizedExample(
        prompt, completion, encoded.ids, (*tokens, END), (*parts, ""), len(encoded.prompt)
    )


def world_text(
    tokenizer: PreTrainedTokenizerBase, world: World, prompt: str, completion: str
) -> TokenizedExample:
    """The text of a world's prompt and a completion, right or wrong.

    >>> from the_experiment.data.tokenizer import character_tokenizer
    >>> from the_experiment.worlds import find_world
    >>> world = find_world("causal")
    >>> tokenizer = character_tokenizer(world.alphabet)
    >>> text = world_text(tokenizer, world, "1,0,1,0,1", world.answer("1,0,1,0,1"))
    >>> text.parts[0], text.parts[10], text.written_at("newB")
    ('A', 'newA', [11])
    """
    asked, answered = world.prompt_spans(prompt), world.spans(completion)
    return text_of(tokenizer, prompt, completion, asked, answered)


def refuse_mixed_lengths(texts: Sequence[TokenizedExample], hint: str) -> None:
    """Raise `UsageError` with `hint` where a position is not the same place in all these texts."""
    if len({text.shape for text in texts}) > 1:
        raise UsageError(
            "the texts of this world have different lengths, or parts that do, so that nothing can "
            "be compared or averaged position by position",
            hint,
        )


def _parts(places: Offsets, spans: Spans) -> list[str]:
    """The part, or the parts, that each token shares a character with."""
    return [
        AND.join(n for n, span in spans.items() if span and start < span.end and end > span.start)
        for start, end in places
    ]


def visible(text: str) -> str:
    """A token's text with its blanks made visible."""
    return text.replace("\n", "⏎").replace(" ", "␣").replace("\t", "⇥") or "∅"
