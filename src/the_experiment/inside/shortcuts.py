"""Runs that leave out what can't differ, or what nobody asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel


@dataclass(frozen=True)
class Recording:
    """What a run of some texts left at each layer."""

    streams: list[Tensor]  # by layer: (texts, positions, width)
    attended: list[
        tuple[Tensor, Tensor]
    ]  # keys and values by layer: (texts, heads, positions, size)


@dataclass(frozen=True)
class Start:
    """Rows that begin at a layer and a position of recorded texts: all before is as recorded.

    `layers` is in order; rows of later layers join those of earlier ones on their way.
    """

    recording: Recording
    texts: Tensor  # (rows,)
    layers: Tensor  # (rows,), never decreasing
    position: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.texts)

    @cached_property
    def joins(self) -> list[tuple[int, Tensor]]:
        """The layers at which rows join, and what they read there."""
        return [
            (
                layer,
                self.recording.streams[layer][self.texts[self.layers == layer], self.position :],
            )
            for layer in self.layers.unique().tolist()
        ]

    def attended(self) -> DynamicCache | None:
        """The keys and values before `position` for the rows that are there at each layer."""
        if not self.position:
            return None
        past = DynamicCache()
        for layer, (keys, values) in enumerate(self.recording.attended):
            there = self.texts[self.layers <= layer]
            there = there if len(there) else self.texts[:1]  # nobody looks, but its length is read
            past.update(keys[there, :, : self.position], values[there, :, : self.position], layer)
        return past


@contextmanager
def started(blocks: nn.ModuleList, start: Start) -> Iterator[DynamicCache | None]:
    """Each row joins at its layer, and attends to what was recorded before `start.position`."""
    before = list(blocks)
    first = start.joins[0][0]
    with ExitStack() as stack:
        for layer, stream in start.joins:
            hook = _joining(stream, alone=layer == first)
            stack.callback(before[layer].register_forward_pre_hook(hook).remove)
        try:
            for place in range(first):
                blocks[place] = _Skip()
            yield start.attended()
        finally:
            for place in range(first):
                blocks[place] = before[place]


@contextmanager
def from_layer(blocks: nn.ModuleList, layer: int, stream: Tensor) -> Iterator[None]:
    """Within the block the layers before this one are left out, and it reads `stream`."""
    before = list(blocks)
    hook = blocks[layer].register_forward_pre_hook(_joining(stream, alone=True))
    try:
        for place in range(layer):
            blocks[place] = _Skip()
        yield
    finally:
        hook.remove()
        for place in range(layer):
            blocks[place] = before[place]


@contextmanager
def up_to_layer(blocks: nn.ModuleList, layer: int) -> Iterator[list[Tensor]]:
    """Within the block this layer and those behind it are left out.

    Yields a list in which what the layer would read is put, run by run.
    """
    before, read = list(blocks), list[Tensor]()
    try:
        for place in range(layer, len(before)):
            blocks[place] = _Skip()
        # Its stand-in goes, and the hook with it.
        blocks[layer].register_forward_pre_hook(lambda _, given: read.append(given[0]))
        yield read
    finally:
        for place in range(layer, len(before)):
            blocks[place] = before[place]


def _joining(stream: Tensor, alone: bool) -> Callable[..., tuple[Any, ...]]:
    def hook(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (stream if alone else torch.cat([given[0], stream]), *given[1:])

    return hook


class _Skip(nn.Module):
    def forward(self, hidden: Tensor, *_: object, **__: object) -> Tensor:
        return hidden


@contextmanager
def only_at(model: PreTrainedModel, modules: Sequence[str], places: Tensor) -> Iterator[None]:
    """Within the block these modules, paths, see only these positions and give zero elsewhere.

    Hooks that were there before see all positions, whatever they look at.
    """
    with ExitStack() as stack:
        for path in modules:
            module = model.get_submodule(path)
            narrow, widen = _narrowing(places)
            stack.callback(module.register_forward_pre_hook(narrow).remove)
            stack.callback(module.register_forward_hook(widen, prepend=True).remove)
        yield


def _narrowing(places: Tensor) -> tuple[Callable[..., Any], Callable[..., Any]]:
    length = 0

    def narrow(_: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        nonlocal length
        length = given[0].shape[1]
        return (given[0][:, places],)

    def widen(_: nn.Module, __: tuple[Tensor], output: Tensor) -> Tensor:
        whole = output.new_zeros(len(output), length, *output.shape[2:])
        whole[:, places] = output
        return whole

    return narrow, widen
