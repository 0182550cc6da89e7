"""A whole training step of GPT-2 as one program: compiled on a CPU, a CUDA graph on a GPU.

Forward, backward, clip and AdamW are one graph of fixed shapes. On a CPU torch's compiler fuses in
it what is done element by element; compiling takes up to minutes once, and seconds when the result
is in the cache on disk. On a GPU its hundreds of small kernels are launched at once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from loguru import logger
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedModel

from the_experiment.training.block import largest_kept, random_bits, scale
from the_experiment.training.gpt2_step import (
    BETAS,
    StepSpec,
    adamw,
    filled,
    gradient_of,
    halves,
    hashed_bits,
    masks_of,
    why_not_plain,
)
from the_experiment.training.graph import captured
from the_experiment.training.rows import IGNORED
from the_experiment.training.step import MOMENTS, flattened

COMPILERS = ("c++", "g++", "clang++")
CACHE = "TORCHINDUCTOR_CACHE_DIR"


class FusedStep:
    """Does what `Step` does, as one program: GPT-2's step as a function of one vector.

    A batch is filled up to `rows` texts of `length` tokens.
    """

    def __init__(self, model: GPT2LMHeadModel, spec: StepSpec) -> None:
        self.model = model
        self._spec = spec
        self._vector = flattened(model).detach()
        self._moments = {name: torch.zeros_like(self._vector) for name in MOMENTS}
        self._steps = 0

    def __call__(self, inputs: Tensor, labels: Tensor, learning_rate: float) -> Tensor:
        """The mean loss (a scalar) of `inputs` and `labels`, both (batch, length)."""
        self._steps += 1
        numbers = [learning_rate, *(1 - beta**self._steps for beta in BETAS)]
        seed = int(torch.randint(2**62, ()))  # of dropout
        batch = (filled(inputs, self._spec, 0), filled(labels, self._spec, IGNORED))
        return self._run(batch, numbers, seed)

    def _run(self, batch: Sequence[Tensor], numbers: Sequence[float], seed: int) -> Tensor:
        """The step's loss; `numbers` are the learning rate and AdamW's two corrections."""
        raise NotImplementedError

    def state(self) -> dict[str, Tensor]:
        """Everything that later steps depend on: parameters and moments, each (parameters,)."""
        return {"parameters": self._vector, **self._moments}

    def restore(self, state: dict[str, Tensor], steps: int) -> None:
        """Go on from `state`, which was taken after so many steps."""
        for name, ours in self.state().items():
            ours.copy_(state[name])
        self._steps = steps


class CompiledStep(FusedStep):
    """The step by torch's compiler, on a CPU. Compiles as it is made, or finds it compiled.

    With dropout it gives what the lean stand-ins give, up to rounding, for full batches of texts of
    one length; others have other masks. Raises what torch's compiler raises.
    """

    def __init__(self, model: GPT2LMHeadModel, spec: StepSpec) -> None:
        super().__init__(model, spec)
        self._step = _compiled(self._spec)
        self._try()

    def _run(self, batch: Sequence[Tensor], numbers: Sequence[float], seed: int) -> Tensor:
        scalars = (torch.tensor(number) for number in numbers)
        state = (self._vector, *self._moments.values())
        return self._step(*state, dropout_flags(self._spec, seed), *batch, *scalars)

    def _try(self) -> None:
        """Compile the step by a first one, which changes nothing."""
        logger.info("compiling the training step, which is kept for trainings of this shape")
        before = {name: one.clone() for name, one in self.state().items()}
        shape = (self._spec.rows, self._spec.length)
        with torch.random.fork_rng(devices=[]):
            self(torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long), 0.0)
        self.restore(before, 0)


class CUDAGraphStep(FusedStep):
    """The step on a GPU, captured as a CUDA graph; what it needs is written to where that reads.

    Dropout masks are hashed there. Nothing waits for the device, which transformers' GPT-2 does
    twice a step: to see whether texts are padded, and whether they are packed.
    """

    def __init__(self, model: GPT2LMHeadModel, spec: StepSpec) -> None:
        super().__init__(model, spec)
        device = self._vector.device
        texts = torch.zeros(2, spec.rows, spec.length, dtype=torch.long, device=device)
        self._batch = texts.unbind()
        self._numbers = torch.ones(3, device=device).unbind()
        self._key = torch.zeros(3, dtype=torch.long, device=device)  # of dropout
        self._loss = torch.zeros((), device=device)
        self._replay = captured(self._update, device, [*self.state().values()])

    def _run(self, batch: Sequence[Tensor], numbers: Sequence[float], seed: int) -> Tensor:
        for ours, given in zip(self._batch, batch, strict=True):
            ours.copy_(given)
        for scalar, number in zip(self._numbers, numbers, strict=True):
            scalar.fill_(number)
        for place, half in enumerate(halves(seed)):
            self._key[place].fill_(half)
        self._replay()
        return self._loss.clone()  # the next step writes over it

    def _update(self) -> None:
        rate, *corrections = self._numbers
        masks = masks_of(self._spec, hashed_bits(sum(self._spec.bits), self._key))
        gradient, loss = gradient_of(self._spec, self._vector, masks, *self._batch)
        state = (self._vector, *self._moments.values())
        adamw(self._spec, state, gradient, rate, corrections)
        self._loss.copy_(loss)


def fused_step(model: GPT2LMHeadModel, spec: StepSpec) -> FusedStep:
    """The one for the model's device."""
    return CompiledStep(model, spec) if model.device.type == "cpu" else CUDAGraphStep(model, spec)


def why_not_fused(model: PreTrainedModel) -> str:
    """Why this model's step can't be one program here; empty where it can."""
    if model.device.type not in ("cpu", "cuda"):
        return "it is for CPUs and CUDA"
    if why_not := why_not_plain(model):
        return why_not
    compilers = [os.environ.get("CXX", ""), *COMPILERS]
    if model.device.type == "cpu" and not any(map(shutil.which, compilers)):
        return "there is no C++ compiler"
    return ""


def dropout_flags(spec: StepSpec, seed: int) -> Tensor:
    """(integers,): 1 for what dropout keeps in a step, else 0, of the integers that masks are of.

    As bytes: torch's compiler has no vector instructions for 16-bit integers.
    """
    drawn = random_bits(seed, sum(spec.bits)).numpy()
    kept = np.empty(drawn.shape, np.bool_)
    parts = (np.split(one, np.cumsum(spec.bits)[:-1]) for one in (drawn, kept))
    for (rate, _), bits, flags in zip(spec.masks, *parts, strict=True):
        np.less_equal(bits, np.int16(largest_kept(rate)), out=flags)
    return torch.from_numpy(kept.view(np.uint8))


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
        kept: Tensor,
        inputs: Tensor,
        labels: Tensor,
        rate: Tensor,
        correction: Tensor,
        correction_of_square: Tensor,
    ) -> Tensor:
        masks = [
            part[:size] * scale(rate) if rate else None
            for part, (rate, size) in zip(kept.split(spec.bits), spec.masks, strict=True)
        ]
        gradient, loss = gradient_of(spec, vector, masks, inputs, labels)
        corrections = (correction, correction_of_square)
        adamw(spec, (vector, average, square), gradient, rate, corrections)
        return loss

    # A code object of its own: torch compiles only so many variants of one.
    digest = sha256(repr(spec).encode()).hexdigest()[:8]  # the same in every process, as the cache
    step.__code__ = step.__code__.replace(co_name=f"step_{digest}")
    compiled: Callable[..., Tensor] = torch.compile(step, fullgraph=True, dynamic=False)
    return compiled
