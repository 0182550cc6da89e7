"""Interchange interventions on what is read: one value of a text is another, all else stays.

Geiger et al., "Causal Abstractions of Neural Networks", NeurIPS 2021. The right answer after a swap
is what the rules make of the values that the text then has: of the outputs as they are written, or,
passing over them, of the inputs alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from the_experiment.base.seeds import Stream
from the_experiment.inside.scores import field_names
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import TokenizedExample
from the_experiment.worlds import World

Followed = Literal["written", "input", "neither"]

MOST_TRIED = 16  # values of a part, for one whose text has the same shape


@dataclass(frozen=True)
class Swap:
    """The number of a text, the input or output that is another in it, and what came of it."""

    text: int
    name: str
    changed: TokenizedExample


@dataclass(frozen=True)
class Expected:
    """A part of a text in which a value before it is another, and what it is by the rules."""

    value: int | None  # as it stands there; None for nothing that can be read
    written: int  # from the outputs as they are written before it, and the inputs
    input: int  # from the inputs alone

    @property
    def tells(self) -> bool:
        """Whether following what is written and following the inputs differ."""
        return self.written != self.input

    @property
    def follows(self) -> Followed:
        """Which of the two stands there; what is written where they are the same."""
        if self.value == self.written:
            return "written"
        return "input" if self.value == self.input else "neither"


def swaps_of(subject: Subject, texts: Sequence[TokenizedExample], seed: int) -> list[Swap]:
    """Each input and output of each text swapped for another value, drawn by `seed`.

    A value that would change the number of tokens is passed over.
    """
    names = field_names(subject.world)
    return [
        Swap(number, name, changed)
        for number, text in enumerate(texts)
        for name in names
        if (changed := _changed(subject, text, name, seed)) is not None
    ]


def _changed(
    subject: Subject, text: TokenizedExample, name: str, seed: int
) -> TokenizedExample | None:
    for prompt, completion in _other_values(subject.world, text, name, seed):
        changed = subject.text(prompt, completion)
        if changed.shape == text.shape:
            return changed
    return None


def _other_values(
    world: World, text: TokenizedExample, name: str, seed: int
) -> Iterator[tuple[str, str]]:
    """The prompt and completion with other values of one input or output."""
    is_input = name in world.inputs
    low, high = _ends(world, name)
    if low == high:
        return
    now = (
        int(world.state(text.prompt)[0, list(world.inputs).index(name)])
        if is_input
        else _value(world, text.completion, name)
    )
    steps = Stream(seed, "swap", name, text.prompt).below(high - low, MOST_TRIED) + 1
    for step in dict.fromkeys(steps.tolist()):
        value = low + (now - low + step) % (high - low + 1)
        if is_input:
            yield world.counterfactual(text.prompt, {name: value}), text.completion
        else:
            yield text.prompt, rewritten(world, text.completion, name, value)


def _ends(world: World, name: str) -> tuple[int, int]:
    if name in world.inputs:
        return world.inputs[name].low, world.inputs[name].high
    return world.output_bounds[name]


def _value(world: World, completion: str, part: str) -> int:
    span = world.spans(completion)[part]
    assert span is not None
    return span.value


def rewritten(world: World, completion: str, part: str, value: int) -> str:
    """The completion with another value of one part.

    >>> from the_experiment.worlds import find_world
    >>> rewritten(find_world("causal"), "\\n0,1,0,1\\n2 - 2\\n", "newB", 0)
    '\\n0,0,0,1\\n2 - 2\\n'
    """
    span = world.spans(completion)[part]
    assert span is not None
    return completion[: span.start] + str(value) + completion[span.end :]


def expected(world: World, swap: Swap) -> Mapping[str, Expected]:
    """By part after the swapped one: its value before the swap, and what the rules make of it."""
    changed = swap.changed
    found = by_rules(world, changed.prompt, changed.completion, swap.name)
    return {part: one for part, one in found.items() if one.value is not None}


def by_rules(world: World, prompt: str, completion: str, name: str) -> dict[str, Expected]:
    """By part after this input or output: its value in the text, and what the rules make of it."""
    state, spans = world.state(prompt), world.spans(completion)
    right = world.part_values(state)
    before: dict[str, int] = {}  # the outputs as they are written
    found = {}
    after = name in world.inputs
    for part in world.parts:
        span = spans[part]
        if after:
            follow = world.parts_from(state, world.evaluate(state, before))[part][0]
            value = span.value if span else None
            found[part] = Expected(value, int(follow), int(right[part][0]))
        after = after or part == name
        if span and part in world.output_bounds:
            before[part] = span.value
    return found
