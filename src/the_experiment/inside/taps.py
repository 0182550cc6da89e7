"""Reading and changing a model's values while it runs, by hooks that are gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

from the_experiment.inside.layout import HookPoint
from the_experiment.inside.lstm import UnrolledLSTM

# Takes the values at a site, (rows, positions, …), and the position of the first of them, and
# returns them, changed or not. A head, a gate or a channel is the third dimension.
Visit = Callable[[Tensor, int], Tensor]

STATES = ("gates", "cell", "hidden")  # the taps into an LSTM
OURS = "the-experiment"  # the attention whose pattern can be read and changed


class NeverFiredError(RuntimeError):
    """A hook was asked for and the model never came by: what came out is not what was asked."""


@dataclass
class Tapped:
    """One visit to one place of one layer, and how often it was made."""

    place: HookPoint
    layer: int | None
    visit: Visit
    first: int = 0  # the position of the first token that the model is given
    times: int = 0

    @property
    def module(self) -> str:
        """The path of the module."""
        return self.place.module.format(layer=self.layer)

    def __call__(self, values: Tensor, step: int = 0) -> Tensor:
        """Visit the values of the positions from the `step`-th given token on."""
        self.times += 1
        return self.visit(values, self.first + step)


@contextmanager
def tapping(model: PreTrainedModel, taps: Sequence[Tapped], first: int = 0) -> Iterator[None]:
    """Within the block every run of `model` makes these visits; after it, the model is as it was.

    `first` is the position of the first token that the model is given. Raises `NeverFiredError` at
    its end where one of the visits was never made.
    """
    with ExitStack() as stack:
        heads = getattr(model.config, "num_attention_heads", 1)
        patterns = [tap for tap in taps if tap.place.tap == "pattern"]
        states = [tap for tap in taps if tap.place.tap in STATES]
        for tap in taps:
            tap.first = first
        if patterns:
            stack.enter_context(_patterns_visited(model, patterns))
        for path in dict.fromkeys(tap.module for tap in states):
            stack.enter_context(_unrolled(model, path, [t for t in states if t.module == path]))
        for tap in taps:
            module = model.get_submodule(tap.module)
            if tap.place.tap == "input":
                hook = module.register_forward_pre_hook(_before(tap, heads), with_kwargs=True)
                stack.callback(hook.remove)
            elif tap.place.tap == "output":
                stack.callback(module.register_forward_hook(_after(tap, heads)).remove)
        yield
    silent = [tap for tap in taps if not tap.times]
    if silent:
        raise NeverFiredError(
            f"never came by: {', '.join(f'{tap.place.tap} of {tap.module}' for tap in silent)}"
        )


def _before(tap: Tapped, heads: int) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    def hook(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if given:
            return (_visited(tap, given[0], heads), *given[1:]), named
        return given, {**named, "hidden_states": _visited(tap, named["hidden_states"], heads)}

    return hook


def _after(tap: Tapped, heads: int) -> Callable[..., Any]:
    def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):  # as blocks of earlier transformers and LSTMs return
            return (_visited(tap, output[0], heads), *output[1:])
        return _visited(tap, output, heads)

    return hook


def _visited(tap: Tapped, values: Tensor, heads: int) -> Tensor:
    if tap.place.heads:
        return tap(values.unflatten(-1, (heads, -1))).flatten(-2)
    return tap(values)


# -- attention ------------------------------------------------------------------------------------

_VISITED: ContextVar[dict[nn.Module, list[Tapped]]] = ContextVar("visited patterns")


@contextmanager
def _patterns_visited(model: PreTrainedModel, taps: Sequence[Tapped]) -> Iterator[None]:
    """Fused attention makes no pattern, so an attention that is written out stands in for it."""
    by_module: dict[nn.Module, list[Tapped]] = {}
    for tap in taps:
        by_module.setdefault(model.get_submodule(tap.module), []).append(tap)
    before = model.config._attn_implementation
    token = _VISITED.set(by_module)
    model.config._attn_implementation = OURS
    try:
        yield
    finally:
        model.config._attn_implementation = before
        _VISITED.reset(token)


def _attention(
    module: nn.Module,
    query: Tensor,  # (rows, heads, length, size)
    key: Tensor,  # (rows, heads or fewer that heads share, length, size)
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attention as transformers' eager one in evaluation, its pattern shown to whoever visits."""
    shared = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)
    if attention_mask is not None:
        scores = scores + attention_mask
    pattern = scores.float().softmax(-1).to(query.dtype)  # (rows, heads, length, length)
    for tap in _VISITED.get({}).get(module, []):
        pattern = tap(pattern.transpose(1, 2)).transpose(1, 2)
    return (pattern @ value).transpose(1, 2).contiguous(), pattern


AttentionInterface.register(OURS, _attention)
AttentionMaskInterface.register(OURS, eager_mask)


# -- LSTMs ----------------------------------------------------------------------------------------


@contextmanager
def _unrolled(model: PreTrainedModel, path: str, taps: Sequence[Tapped]) -> Iterator[None]:
    """torch's LSTM shows its last state only, so one that is written out stands in for it."""
    parent, _, name = path.rpartition(".")
    holder, lstm = model.get_submodule(parent), model.get_submodule(path)
    assert isinstance(lstm, nn.LSTM)

    def visit(state: str, values: Tensor, first: int) -> Tensor:
        for tap in taps:
            if tap.place.tap == state:
                values = tap(values, first)
        return values

    setattr(holder, name, UnrolledLSTM(lstm, visit))
    try:
        yield
    finally:
        setattr(holder, name, lstm)
