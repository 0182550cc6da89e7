"""A GPT-2 block with its forward and backward written out, and dropout masks from one draw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.gpt2.modeling_gpt2 import GPT2Block

LEVELS = 2**16  # of the integers that decide what is dropped


def random_bits(seed: int, count: int) -> Tensor:
    """`count` random 16-bit integers, a multiple of 4: a quarter of the time of `bernoulli_`."""
    return _bits_of(np.random.SFC64(seed), count)


def _bits_of(generator: np.random.SFC64, count: int) -> Tensor:
    return torch.from_numpy(generator.random_raw(count // 4).view(np.int16))


def kept(bits: Tensor, rate: float) -> Tensor:
    """A dropout mask from such integers: 0 with probability `rate`, else 1 / (1 - rate)."""
    # They become floats first, since torch is slow at comparisons that make booleans.
    return bits.float().le_(largest_kept(rate)).mul_(scale(rate))


def largest_kept(rate: float) -> int:
    """The largest such integer that isn't dropped."""
    return _levels(rate) - 1 - LEVELS // 2


def scale(rate: float) -> float:
    """What is kept is multiplied by it: 1 / (1 - rate), of the rate that 16 bits give."""
    return LEVELS / _levels(rate)


def _levels(rate: float) -> int:
    return round(LEVELS * (1 - rate))


class Masks:
    """Hands out masks of one rate: several times as fast as a draw for each.

    Which numbers a step gets depends on torch's global random state alone.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._taken = 0
        self.start()

    def start(self) -> None:
        """Begin a step: draw at once what the last one took."""
        self._generator = np.random.SFC64(int(torch.randint(2**62, ())))
        self._ready, self._taken = self._draw(self._taken), 0

    def take(self, shape: Sequence[int]) -> Tensor:
        """The next mask: 0 with probability `rate`, else 1 / (1 - rate)."""
        first, count = self._taken, prod(shape)
        self._taken += count + -count % 4
        if self._taken > len(self._ready):  # a step larger than the last one
            self._ready = torch.cat([self._ready, self._draw(self._taken - len(self._ready))])
        return self._ready[first : first + count].view(*shape)

    def _draw(self, count: int) -> Tensor:
        return kept(_bits_of(self._generator, count), self._rate)


class LeanDropout(nn.Module):
    """Stands in for `nn.Dropout`."""

    def __init__(self, p: float, masks: Masks) -> None:
        super().__init__()
        self.p = p
        self._masks = masks

    def forward(self, hidden: Tensor) -> Tensor:
        """Any shape to the same."""
        return hidden * self._masks.take(hidden.shape) if self.training else hidden


LINEAR = 2 * (2 / torch.pi) ** 0.5  # of GPT-2's GELU, see `_gelu`
CUBIC = LINEAR * 0.044715


class DropoutMasks(NamedTuple):
    """Dropout masks of one block in one step."""

    attention: Tensor  # (batch × heads, length, length)
    mixed: Tensor  # (tokens, width), after the attention's projection
    written: Tensor  # (tokens, width), after the MLP


class LeanBlock(nn.Module):
    """Stands in for `block`, whose parameters it uses; in evaluation it calls it."""

    def __init__(self, block: GPT2Block, masks: dict[float, Masks]) -> None:
        super().__init__()
        self.block = block
        self._masks = masks

    def forward(self, hidden: Tensor, *arguments: Any, **named: Any) -> Tensor:
        """(batch, length, width) to the same."""
        if not self.training:
            output: Tensor = self.block(hidden, *arguments, **named)
            return output
        block, attention, mlp = self.block, self.block.attn, self.block.mlp
        batch, length, width = hidden.shape
        heads = attention.num_heads
        tokens = (batch * length, width)
        kept = DropoutMasks(
            self._masks[attention.attn_dropout.p].take((batch * heads, length, length)),
            self._masks[attention.resid_dropout.p].take(tokens),
            self._masks[mlp.dropout.p].take(tokens),
        )
        layers = (block.ln_1, attention.c_attn, attention.c_proj, block.ln_2, mlp.c_fc, mlp.c_proj)
        apply: Any = _Block.apply  # has types in some releases of torch only
        halved = torch.is_autocast_enabled("cpu")
        precision = torch.get_autocast_dtype("cpu") if halved else torch.float32
        with torch.autocast("cpu", enabled=False):  # what is halved is written out below
            result: Tensor = apply(hidden, heads, kept, layers, precision)
        return result


class _Block(torch.autograd.Function):
    """Names of backward: `d_x` is the gradient of the loss with respect to x.

    Gradients of parameters are added to their `grad` at once, without a buffer for each.
    """

    @staticmethod
    def forward(  # type: ignore[override,unused-ignore]
        ctx: Any,
        hidden: Tensor,
        heads: int,
        kept: DropoutMasks,
        layers: tuple[Any, ...],
        precision: torch.dtype,
    ) -> Tensor:
        norm_1, to_qkv, to_mix, norm_2, to_up, to_down = layers
        batch, length, width = hidden.shape
        rows = hidden.reshape(-1, width)  # (tokens, width)
        read, *moments_1 = _norm(norm_1, rows, precision)
        q, k, v = _split(_product(to_qkv, read).view(batch, length, 3, heads, -1))
        future = _future(length, precision)
        scores = torch.baddbmm(future, q, k.transpose(1, 2), alpha=q.shape[-1] ** -0.5)
        pattern = scores.float().softmax(-1)
        dropped = (pattern * kept.attention).to(precision)
        z = _merge(torch.bmm(dropped, v).view(1, batch, heads, length, -1))  # (tokens, width)
        middle = _product(to_mix, z).float().mul_(kept.mixed).add_(rows)
        seen, *moments_2 = _norm(norm_2, middle, precision)
        active, slope = _gelu(_product(to_up, seen))
        output = _product(to_down, active).float().mul_(kept.written).add_(middle)
        ctx.layers = layers
        ctx.save_for_backward(
            *(rows, read, *moments_1, q, k, v, pattern, dropped, z, middle, seen, *moments_2),
            *(active, slope, *kept),
        )
        return output.view(batch, length, width)

    @staticmethod
    def backward(ctx: Any, d_output: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override,unused-ignore]
        norm_1, to_qkv, to_mix, norm_2, to_up, to_down = ctx.layers
        rows, read, mean_1, rstd_1, q, k, v, pattern, dropped, z, *rest = ctx.saved_tensors
        middle, seen, mean_2, rstd_2, active, slope, *masks = rest
        kept = DropoutMasks(*masks)
        batch, length, width = d_output.shape
        size, precision = q.shape[-1], q.dtype
        d_rows = d_output.reshape(-1, width)

        d_active = _product_backward(to_down, active, (d_rows * kept.written).to(precision))
        d_up = d_active.float().mul_(slope).to(precision)
        d_seen = _product_backward(to_up, seen, d_up)
        d_middle = _norm_backward(norm_2, middle, mean_2, rstd_2, d_seen).add_(d_rows)

        d_z = _product_backward(to_mix, z, (d_middle * kept.mixed).to(precision))
        (d_z,) = _split(d_z.view(batch, length, 1, -1, size))
        d_pattern = torch.bmm(d_z, v.transpose(1, 2)).float().mul_(kept.attention)
        d_scores = torch.ops.aten._softmax_backward_data(d_pattern, pattern, -1, torch.float32)
        d_scores = d_scores.mul_(size**-0.5).to(precision)
        d_qkv = torch.empty(3, *q.shape, dtype=precision)
        torch.bmm(d_scores, k, out=d_qkv[0])
        torch.bmm(d_scores.transpose(1, 2), q, out=d_qkv[1])
        torch.bmm(dropped.transpose(1, 2), d_z, out=d_qkv[2])
        d_merged = _merge(d_qkv.view(3, batch, -1, length, size))
        d_read = _product_backward(to_qkv, read, d_merged)
        d_hidden = _norm_backward(norm_1, rows, mean_1, rstd_1, d_read).add_(d_middle)
        return d_hidden.view(batch, length, width), None, None, None, None


def _product(layer: Any, rows: Tensor) -> Tensor:
    """(tokens, inputs) to (tokens, outputs); GPT-2 keeps weights as (inputs, outputs)."""
    return torch.addmm(layer.bias.to(rows.dtype), rows, layer.weight.to(rows.dtype))


def _product_backward(layer: Any, rows: Tensor, d_output: Tensor) -> Tensor:
    layer.weight.grad.add_(rows.t() @ d_output)
    layer.bias.grad.add_(d_output.sum(0))
    weight: Tensor = layer.weight.detach().to(rows.dtype)
    return d_output @ weight.t()


def _gelu(x: Tensor) -> tuple[Tensor, Tensor]:
    """gelu_new of x, and its derivative, made while all of it is still in the cache.

    With u = LINEAR x + CUBIC x³ it is x sigmoid(u); torch's own, with tanh, takes twice as long.
    """
    precision, x = x.dtype, x.float()
    u = (x * x).mul_(CUBIC).add_(LINEAR).mul_(x)
    gate = u.sigmoid()
    active = (x * gate).to(precision)
    # gate + gate (1 - gate) x u', where x u' = 3 u - 2 LINEAR x
    slope = torch.ops.aten.sigmoid_backward(u.mul_(3).sub_(x, alpha=2 * LINEAR), gate).add_(gate)
    return active, slope


def _norm(
    layer: nn.LayerNorm, rows: Tensor, precision: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """The normed rows in `precision`, and the mean and the inverse deviation of each."""
    normed, mean, rstd = torch.native_layer_norm(
        rows, layer.normalized_shape, layer.weight, layer.bias, layer.eps
    )
    return normed.to(precision), mean, rstd


def _norm_backward(
    layer: Any, rows: Tensor, mean: Tensor, rstd: Tensor, d_output: Tensor
) -> Tensor:
    d_rows: Tensor
    d_rows, d_weight, d_bias = torch.ops.aten.native_layer_norm_backward(
        *(d_output.float(), rows, layer.normalized_shape, mean, rstd, layer.weight, layer.bias),
        [True, True, True],
    )
    layer.weight.grad.add_(d_weight)
    layer.bias.grad.add_(d_bias)
    return d_rows


def _split(parts: Tensor) -> tuple[Tensor, ...]:
    """(batch, length, parts, heads, size) to a (batch × heads, length, size) for each part."""
    batch, length, number, heads, size = parts.shape
    return parts.permute(2, 0, 3, 1, 4).reshape(number, batch * heads, length, size).unbind(0)


def _merge(parts: Tensor) -> Tensor:
    """(parts, batch, heads, length, size) to (batch × length, parts × heads × size)."""
    number, batch, heads, length, size = parts.shape
    return parts.permute(1, 3, 0, 2, 4).reshape(batch * length, number * heads * size)


@lru_cache(maxsize=64)
def _future(length: int, precision: torch.dtype) -> Tensor:
    """(length, length): minus infinity above the diagonal, where the future lies."""
    return torch.full((length, length), float("-inf"), dtype=precision).triu(1)
