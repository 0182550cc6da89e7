"""A whole training step of GPT-2 on a CPU as one compiled spec.

Forward, backward, clip and AdamW are one graph of fixed shapes, in which torch's compiler fuses
what is done element by element. Compiling takes up to minutes once, and seconds when the result is
in the cache on disk.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GPT2LMHeadModel, PreTrainedModel

from the_experiment.training.block import CUBIC, LINEAR, kept, random_bits
from the_experiment.training.lean import is_plain_block
from the_experiment.training.rows import IGNORED
from the_experiment.training.step import MOMENTS, flattened

COMPILERS = ("c++", "g++", "clang++")
CACHE = "TORCHINDUCTOR_CACHE_DIR"
OF_A_BLOCK = 12  # parameters
BETAS, EPSILON = (0.9, 0.999), 1e-8  # torch's defaults of AdamW


@dataclass(frozen=True)
class StepSpec:
    """All that the compiled code depends on."""

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


class CompiledStep:
    """Does what `Step` does, faster. Compiles as it is made, or finds it compiled.

    A batch is filled up to `rows` texts of `length` tokens. With dropout it gives what the lean
    stand-ins give, up to rounding, for batches of that shape; smaller ones have other masks.
    Raises what torch's compiler raises.
    """

    def __init__(
        self,
        model: GPT2LMHeadModel,
        *,
        clip: float,
        weight_decay: float,
        precision: torch.dtype,
        rows: int,
        length: int,
    ) -> None:
        first = model.transformer.h[0]
        dropouts = (model.transformer.drop, first.attn.attn_dropout, first.attn.resid_dropout)
        embedding, attention, residual = (float(dropout.p) for dropout in dropouts)
        self.model = model
        self._spec = StepSpec(
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
        self._vector = flattened(model).detach()
        self._moments = {name: torch.zeros_like(self._vector) for name in MOMENTS}
        self._steps = 0
        self._step = _compiled(self._spec)
        self._try()

    def __call__(self, inputs: Tensor, labels: Tensor, learning_rate: float) -> Tensor:
        """The mean loss (a scalar) of `inputs` and `labels`, both (batch, length)."""
        self._steps += 1
        corrections = (1 - beta**self._steps for beta in BETAS)
        numbers = (torch.tensor(each) for each in (learning_rate, *corrections))
        batch = (self._filled(inputs, 0), self._filled(labels, IGNORED))
        loss: Tensor = self._step(
            self._vector, *self._moments.values(), self._bits(), *batch, *numbers
        )
        return loss

    def _filled(self, texts: Tensor, filler: int) -> Tensor:
        rows, length = texts.shape
        missing = (0, self._spec.length - length, 0, self._spec.rows - rows)
        return functional.pad(texts, missing, value=filler)

    def _bits(self) -> Tensor:
        """Random 16-bit integers for every mask, each from a whole 64-bit one on."""
        count = sum(_drawn(size) for _, size in self._spec.masks)
        return random_bits(int(torch.randint(2**62, ())), count)

    def _try(self) -> None:
        """Compile the step by a first one, which changes nothing."""
        kept_safe = [self._vector, *self._moments.values()]
        self._vector, *moments = (one.clone() for one in kept_safe)
        real, self._moments = self._moments, dict(zip(MOMENTS, moments, strict=True))
        shape = (self._spec.rows, self._spec.length)
        with torch.random.fork_rng(devices=[]):
            self(torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long), 0.0)
        self._vector, self._moments, self._steps = kept_safe[0], real, 0

    def state(self) -> dict[str, Tensor]:
        """Everything that later steps depend on: parameters and moments, each (parameters,)."""
        return {"parameters": self._vector, **self._moments}

    def restore(self, state: dict[str, Tensor], steps: int) -> None:
        """Go on from `state`, which was taken after so many steps."""
        self._vector.copy_(state["parameters"])
        for name, moment in self._moments.items():
            moment.copy_(state[name])
        self._steps = steps


def why_not_compiled(model: PreTrainedModel) -> str:
    """Why this model's step can't be compiled here; empty where it can."""
    if model.device.type != "cpu":
        return "it is for CPUs"
    if not isinstance(model, GPT2LMHeadModel) or not all(map(is_plain_block, model.transformer.h)):
        return "it is for GPT-2 as it is"
    if len(list(model.parameters())) != 4 + OF_A_BLOCK * model.config.n_layer:
        return "it is for GPT-2 with tied embeddings"
    if not any(map(shutil.which, [os.environ.get("CXX", ""), *COMPILERS])):
        return "there is no C++ compiler"
    return ""


def _drawn(size: int) -> int:
    return size + -size % 4


def _keep_cache() -> None:
    """Keep what is compiled in the user's own cache, unless another place was chosen.

    As it is imported, torch names a folder of the system's temporary ones, which a restart empties.
    """
    chosen = os.environ.get(CACHE, "")
    if not Path(chosen).name or Path(chosen).name.startswith("torchinductor_"):
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        os.environ[CACHE] = str(Path(caches, "the-experiment", "torch"))


@lru_cache(maxsize=8)
def _compiled(spec: StepSpec) -> Callable[..., Tensor]:
    """The program, which torch compiles as it is first called, or finds in its cache on disk."""
    _keep_cache()

    def step(
        vector: Tensor,
        average: Tensor,
        square: Tensor,
        bits: Tensor,
        inputs: Tensor,
        labels: Tensor,
        rate: Tensor,
        correction: Tensor,
        correction_of_square: Tensor,
    ) -> Tensor:
        masks = [
            kept(drawn[:size], dropped) if dropped else None
            for drawn, (dropped, size) in zip(
                bits.split([_drawn(size) for _, size in spec.masks]), spec.masks, strict=True
            )
        ]

        def loss_of(values: Tensor) -> Tensor:
            return _loss(spec, values, masks, inputs, labels)

        gradient: Tensor
        loss: Tensor
        gradient, loss = torch.func.grad_and_value(loss_of)(vector)
        norm = torch.linalg.vector_norm(gradient)
        gradient = gradient * (spec.clip / (norm + 1e-6)).clamp(max=1.0)
        average.lerp_(gradient, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        change = (average / correction) / ((square / correction_of_square).sqrt() + EPSILON)
        vector.mul_(1 - rate * spec.weight_decay).sub_(rate * change)
        return loss

    # A code object of its own: torch compiles only so many variants of one.
    digest = sha256(repr(spec).encode()).hexdigest()[:8]  # the same in every process, as the cache
    step.__code__ = step.__code__.replace(co_name=f"step_{digest}")
    compiled: Callable[..., Tensor] = torch.compile(step, fullgraph=True, dynamic=False)
    return compiled


def _loss(
    spec: StepSpec,
    vector: Tensor,
    masks: Sequence[Tensor | None],
    inputs: Tensor,
    labels: Tensor,
) -> Tensor:
    """GPT-2's loss, as transformers' model computes it, from all parameters as one vector."""
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
    logits = normed.to(spec.precision) @ embedding.to(spec.precision).t()
    return functional.cross_entropy(logits.float(), labels.flatten(), ignore_index=IGNORED)


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
    future = torch.full((length, length), float("-inf")).triu(1)
    scores = torch.bmm(q, k.transpose(1, 2)).float() * size**-0.5 + future
    pattern = dropped(scores.softmax(-1)).to(spec.precision)
    z = torch.bmm(pattern, v).view(rows, heads, length, size).transpose(1, 2)
    stream = stream + dropped(product(to_mix, z.reshape(-1, width)).float())
    up = product(to_up, normed(norm_2)).float()
    active = (up * torch.sigmoid((up * up * CUBIC + LINEAR) * up)).to(spec.precision)
    return stream + dropped(product(to_down, active).float())
