"""GPT-2's loss and AdamW as pure functions of one vector of all parameters.

What is compiled, or trains many models at once, is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GPT2LMHeadModel, PreTrainedModel

from the_experiment.training.block import CUBIC, LEVELS, LINEAR, kept
from the_experiment.training.lean import is_plain_block
from the_experiment.training.rows import IGNORED

OF_A_BLOCK = 12  # parameters
LOW = 2**32 - 1
BETAS, EPSILON = (0.9, 0.999), 1e-8  # torch's defaults of AdamW


@dataclass(frozen=True)
class StepSpec:
    """A training step of a GPT-2: all but its numbers."""

    shapes: tuple[tuple[int, ...], ...]  # of the parameters, in the model's order
    heads: int
    rows: int  # of a batch
    length: int  # of a text, in tokens
    rates: tuple[float, float, float]  # of dropout: on embeddings, attention, residuals
    epsilon: float  # of layer norms
    precision: torch.dtype  # of matrix products
    clip: float
    weight_decay: float

    @property
    def masks(self) -> list[tuple[float, int]]:
        """The rate and the size of each dropout mask of a step, in the order of use."""
        stream = self.rows * self.length * self.shapes[0][1]
        pattern = self.rows * self.heads * self.length**2
        embedding, attention, residual = self.rates
        of_a_block = [(attention, pattern), (residual, stream), (residual, stream)]
        return [(embedding, stream), *of_a_block * (len(self.shapes) // OF_A_BLOCK)]

    @property
    def bits(self) -> list[int]:
        """How many random integers each mask is made of: whole 64-bit ones are drawn."""
        return [size + -size % 4 for _, size in self.masks]


def step_spec(
    model: GPT2LMHeadModel,
    *,
    rows: int,
    length: int,
    precision: torch.dtype,
    clip: float,
    weight_decay: float,
) -> StepSpec:
    """The step of this model."""
    first = model.transformer.h[0]
    dropouts = (model.transformer.drop, first.attn.attn_dropout, first.attn.resid_dropout)
    embedding, attention, residual = (float(dropout.p) for dropout in dropouts)
    return StepSpec(
        shapes=tuple(tuple(one.shape) for one in model.parameters()),
        heads=model.config.n_head,
        rows=rows,
        length=length,
        rates=(embedding, attention, residual),
        epsilon=model.config.layer_norm_epsilon,
        precision=precision,
        clip=clip,
        weight_decay=weight_decay,
    )


def why_not_plain(model: PreTrainedModel) -> str:
    """Why this model's step can't be written so; empty where it can."""
    if not isinstance(model, GPT2LMHeadModel) or not all(map(is_plain_block, model.transformer.h)):
        return "it is for GPT-2 as it is"
    if len(list(model.parameters())) != 4 + OF_A_BLOCK * model.config.n_layer:
        return "it is for GPT-2 with tied embeddings"
    return ""


def filled(texts: Tensor, spec: StepSpec, filler: int) -> Tensor:
    """A batch (…, fewer texts, shorter length) filled up to `rows` texts of `length` tokens."""
    rows, length = texts.shape[-2:]
    return functional.pad(texts, (0, spec.length - length, 0, spec.rows - rows), value=filler)


def masks_of(spec: StepSpec, bits: Tensor) -> list[Tensor | None]:
    """The dropout masks of a step, each (…, size), from random 16-bit integers (…, integers).

    None where nothing is dropped.
    """
    return [
        kept(drawn[..., :size], rate) if rate else None
        for drawn, (rate, size) in zip(bits.split(spec.bits, -1), spec.masks, strict=True)
    ]


def halves(seed: int) -> list[int]:
    """A 64-bit seed as two 32-bit ones, the lower first."""
    return [seed & LOW, seed >> 32 & LOW]


def hashed_bits(count: int, keys: Tensor) -> Tensor:
    """`count` random 16-bit integers for each key of three 32-bit ones, without a state.

    (…, 3) to (…, count); MurmurHash3's finalizer, twice for each number.
    """
    low, high, step = keys[..., None].unbind(-2)
    own = _mixed(low ^ _mixed(step + 1))
    counter = torch.arange(count, device=keys.device)
    mixed = _mixed((_mixed(counter ^ own) + high) & LOW)
    return (mixed & (LEVELS - 1)) - LEVELS // 2


def _mixed(x: Tensor) -> Tensor:
    """A permutation of the 32-bit integers, in 64 bits that wrap around."""
    x = (x ^ (x >> 16)) * 0x85EBCA6B & LOW
    x = (x ^ (x >> 13)) * 0xC2B2AE35 & LOW
    return x ^ (x >> 16)


def gradient_of(
    spec: StepSpec,
    vector: Tensor,
    masks: Sequence[Tensor | None],
    inputs: Tensor,
    labels: Tensor,
) -> tuple[Tensor, Tensor]:
    """The gradient (parameters,) and the mean loss of a batch, `inputs` and `labels`."""

    def loss_of(values: Tensor) -> Tensor:
        return loss(spec, values, masks, inputs, labels)

    gradient: Tensor
    value: Tensor
    gradient, value = torch.func.grad_and_value(loss_of)(vector)
    return gradient, value


def adamw(
    spec: StepSpec,
    state: Sequence[Tensor],
    gradient: Tensor,
    rate: Tensor,
    corrections: Sequence[Tensor],
) -> None:
    """Clip and AdamW in place, as torch has them; all but the scalars are (…, parameters).

    `state` is the parameters and their two moments, `corrections` are 1 - beta^steps.
    """
    vector, average, square = state
    norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
    gradient = gradient * (spec.clip / (norm + 1e-6)).clamp(max=1.0)
    average.lerp_(gradient, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    change = (average / corrections[0]) / ((square / corrections[1]).sqrt() + EPSILON)
    vector.mul_(1 - rate * spec.weight_decay).sub_(rate * change)


def loss(
    spec: StepSpec,
    vector: Tensor,
    masks: Sequence[Tensor | None],
    inputs: Tensor,
    labels: Tensor,
) -> Tensor:
    """GPT-2's loss, as transformers' model computes it, from all parameters as one vector."""
    found = logits(spec, vector, masks, inputs)
    return functional.cross_entropy(found, labels.flatten(), ignore_index=IGNORED)


def logits(
    spec: StepSpec, vector: Tensor, masks: Sequence[Tensor | None], inputs: Tensor
) -> Tensor:
    """(rows × length, vocabulary), in float32; `inputs` are (rows, length)."""
    parts = vector.split([math.prod(shape) for shape in spec.shapes])
    values = [part.view(shape) for part, shape in zip(parts, spec.shapes, strict=True)]
    embedding, positions, *blocks, gain, bias = values
    left = iter(masks)

    def dropped(hidden: Tensor) -> Tensor:
        mask = next(left)
        return hidden if mask is None else hidden * mask.view(hidden.shape)

    stream = functional.embedding(inputs, embedding) + positions[: spec.length]
    stream = dropped(stream.flatten(0, 1))  # (tokens, width)
    for first in range(0, len(blocks), OF_A_BLOCK):
        stream = _block(spec, blocks[first : first + OF_A_BLOCK], stream, dropped)
    normed = functional.layer_norm(stream, tuple(gain.shape), gain, bias, spec.epsilon)
    found: Tensor = (normed.to(spec.precision) @ embedding.to(spec.precision).t()).float()
    return found


def _block(
    spec: StepSpec,
    values: Sequence[Tensor],
    stream: Tensor,
    dropped: Callable[[Tensor], Tensor],
) -> Tensor:
    """(tokens, width) to the same. The parameters are those of a GPT-2 block, in its order."""
    norm_1, to_qkv, to_mix, norm_2, to_up, to_down = (values[at : at + 2] for at in range(0, 12, 2))
    rows, length, heads, width = spec.rows, spec.length, spec.heads, stream.shape[1]
    size = width // heads

    def normed(norm: Sequence[Tensor]) -> Tensor:
        gain, bias = norm
        out = functional.layer_norm(stream, (width,), gain, bias, spec.epsilon)
        return out.to(spec.precision)

    def product(layer: Sequence[Tensor], x: Tensor) -> Tensor:
        weight, bias = (one.to(spec.precision) for one in layer)
        return torch.addmm(bias, x, weight)

    parts = product(to_qkv, normed(norm_1)).view(rows, length, 3, heads, size)
    q, k, v = parts.permute(2, 0, 3, 1, 4).reshape(3, rows * heads, length, size)
    future = torch.full((length, length), float("-inf"), device=stream.device).triu(1)
    scores = torch.bmm(q, k.transpose(1, 2)).float() * size**-0.5 + future
    pattern = dropped(scores.softmax(-1)).to(spec.precision)
    z = torch.bmm(pattern, v).view(rows, heads, length, size).transpose(1, 2)
    stream = stream + dropped(product(to_mix, z.reshape(-1, width)).float())
    up = product(to_up, normed(norm_2)).float()
    active = (up * torch.sigmoid((up * up * CUBIC + LINEAR) * up)).to(spec.precision)
    return stream + dropped(product(to_down, active).float())
