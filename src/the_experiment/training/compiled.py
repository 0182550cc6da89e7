"""A whole training step of GPT-2 on a CPU as one compiled program.

Forward, backward, clip and AdamW are one graph of fixed shapes, in which torch's compiler fuses
what is done element by element. Compiling takes up to minutes once, and seconds when the result is
in the cache on disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel, PreTrainedModel

from the_experiment.training.block import random_bits
from the_experiment.training.gpt2_step import (
    BETAS,
    StepSpec,
    adamw,
    filled,
    gradient_of,
    masks_of,
    why_not_plain,
)
from the_experiment.training.rows import IGNORED
from the_experiment.training.step import MOMENTS, flattened

COMPILERS = ("c++", "g++", "clang++")
CACHE = "TORCHINDUCTOR_CACHE_DIR"


class CompiledStep:
    """Does what `Step` does, faster. Compiles as it is made, or finds it compiled.

    A batch is filled up to `rows` texts of `length` tokens. With dropout it gives what the lean
    stand-ins give, up to rounding, for batches of that shape; smaller ones have other masks.
    Raises what torch's compiler raises.
    """

    def __init__(self, model: GPT2LMHeadModel, spec: StepSpec) -> None:
        self.model = model
        self._spec = spec
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
        batch = (filled(inputs, self._spec, 0), filled(labels, self._spec, IGNORED))
        loss: Tensor = self._step(
            self._vector, *self._moments.values(), self._bits(), *batch, *numbers
        )
        return loss

    def _bits(self) -> Tensor:
        return random_bits(int(torch.randint(2**62, ())), sum(self._spec.bits))

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
    if why_not := why_not_plain(model):
        return why_not
    if not any(map(shutil.which, [os.environ.get("CXX", ""), *COMPILERS])):
        return "there is no C++ compiler"
    return ""


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
        gradient, loss = gradient_of(spec, vector, masks_of(spec, bits), inputs, labels)
        corrections = (correction, correction_of_square)
        adamw(spec, (vector, average, square), gradient, rate, corrections)
        return loss

    # A code object of its own: torch compiles only so many variants of one.
    digest = sha256(repr(spec).encode()).hexdigest()[:8]  # the same in every process, as the cache
    step.__code__ = step.__code__.replace(co_name=f"step_{digest}")
    compiled: Callable[..., Tensor] = torch.compile(step, fullgraph=True, dynamic=False)
    return compiled
