"""Many GPT-2s of one shape trained at once, as one batched program.

One small model leaves a GPU idle; hundreds of them keep it busy. Members differ in their seeds and
data alone, and each ends as it would alone: to the mask where all texts are of one length and all
batches full, as in the compiled step. The data lie on the device, a step is captured once there as
a CUDA graph, and nothing waits for it within an epoch but the check of what fits, every 20 steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import derived_seed
from the_experiment.training import fit
from the_experiment.training.block import random_bits
from the_experiment.training.config import TrainConfig
from the_experiment.training.gpt2_step import (
    BETAS,
    StepSpec,
    adamw,
    gradient_of,
    halves,
    hashed_bits,
    logits,
    masks_of,
    why_not_plain,
)
from the_experiment.training.graph import captured
from the_experiment.training.job import Job, prepare
from the_experiment.training.loop import learning_rate, step_spec_of
from the_experiment.training.rows import IGNORED, Batches
from the_experiment.training.step import flattened

TEXTS = 64  # of one forward of each member, as a check asks them


@dataclass(frozen=True)
class Member:
    """How one training of an ensemble ended; the model is in evaluation mode."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    steps: int
    fitted: bool
    finite: bool  # or else it has diverged


def train_together(configs: Sequence[TrainConfig], *, hashed: bool | None = None) -> list[Member]:
    """Train a GPT-2 for each configuration, all of them at once.

    On a GPU dropout masks are `hashed` there; on a CPU each member has those that `train` draws.
    Raises `UsageError` for models that aren't GPT-2, and for trainings that differ in more than
    their seeds and data.
    """
    ensemble = Ensemble([prepare(config) for config in configs], hashed=hashed)
    ensemble.train()
    return ensemble.members()


class Ensemble:
    """The members' numbers, one row each, and what they learn from."""

    def __init__(self, jobs: Sequence[Job], *, hashed: bool | None = None) -> None:
        first, *others = jobs
        self.jobs, self.config, self.device = jobs, first.config, first.device
        self.batches = [Batches(job.train, job.config.batch_size, job.config.seed) for job in jobs]
        length = max(job.train.inputs.shape[1] for job in jobs)
        self.spec = _spec(first, length)
        self.total = self.config.epochs * self.batches[0].per_epoch
        for job, batches in zip(others, self.batches[1:], strict=True):
            alike = _recipe(job, batches) == _recipe(first, self.batches[0])
            if not alike or _spec(job, length) != self.spec:
                raise UsageError(
                    "only trainings that are alike but for their seeds can run together",
                    "give all the same model, options, and number of rows",
                )
        self._own = [flattened(job.model) for job in jobs]  # each model's, where it ends
        self.vectors = torch.stack([own.detach() for own in self._own])  # (members, parameters)
        self._state = (self.vectors, *(torch.zeros_like(self.vectors) for _ in range(2)))
        self._inputs = _stacked([job.train.inputs for job in jobs], 0)
        self._answers = _stacked([job.train.answers for job in jobs], IGNORED)
        self._targets = self._answers
        if self.config.loss == "all":
            self._targets = _stacked([job.train.labels for job in jobs], IGNORED)
        self.steps = torch.zeros(len(jobs), dtype=torch.long)  # that each has made
        self._streak = torch.zeros(len(jobs), dtype=torch.long, device=self.device)
        self.fitted = torch.zeros(len(jobs), dtype=torch.bool)
        self._hashes = self.device.type != "cpu" if hashed is None else hashed
        # What differs from step to step.
        self._row = torch.arange(len(jobs), device=self.device)[:, None]
        self._texts = self._row.repeat(1, self.config.batch_size)  # (members, batch)
        self._done = torch.zeros((), dtype=torch.long, device=self.device)  # steps
        self._active = torch.ones(len(jobs), 1, device=self.device)  # 0 for what has fitted
        self._rates = torch.zeros_like(self._active)
        self._corrections = [torch.zeros((), device=self.device) for _ in BETAS]
        self._update = captured(self._all_members, self.device, self._state)

    def train(self) -> None:
        """Make steps until the epochs are over, or every member has fitted what it saw."""
        for done, texts in enumerate(self._batches()):
            self._one_step(done, texts)
            if self.config.until_fit and (done + 1) % fit.EVERY == 0:
                self._check()
                if self.fitted.all():
                    break

    def members(self) -> list[Member]:
        """Each member as a model of its own."""
        finite = torch.isfinite(self.vectors).all(1).tolist()
        members = []
        for row, (job, own) in enumerate(zip(self.jobs, self._own, strict=True)):
            own.data.copy_(self.vectors[row])
            ended = (int(self.steps[row]), bool(self.fitted[row]), finite[row])
            members.append(Member(job.model.eval(), job.tokenizer, *ended))
        return members

    def _batches(self) -> Iterator[Tensor]:
        """The texts of each step, (members, batch); what a last batch lacks is an empty text."""
        for epoch in range(self.config.epochs):
            found = torch.stack([batches.epoch(epoch) for batches in self.batches], 1)
            yield from found.to(self.device)  # (steps, members, batch); -1, the last, is empty

    def _one_step(self, done: int, texts: Tensor) -> None:
        self.steps += ~self.fitted
        self._done.fill_(done)
        self._texts.copy_(texts)
        self._rates.copy_(self._active).mul_(learning_rate(self.config, done, self.total))
        for correction, beta in zip(self._corrections, BETAS, strict=True):
            correction.fill_(1 - beta ** (done + 1))
        self._update()

    def _all_members(self) -> None:
        """A step of all members, with what now lies on the device."""
        batch = (self._inputs[self._row, self._texts], self._targets[self._row, self._texts])
        masks = masks_of(self.spec, self._bits())
        by_member = [None if mask is None else 0 for mask in masks]
        gradients = torch.vmap(self._gradient, (0, by_member, 0, 0))(self.vectors, masks, *batch)
        adamw(self.spec, self._state, gradients, self._rates, self._corrections)

    def _gradient(self, vector: Tensor, masks: list[Tensor | None], *batch: Tensor) -> Tensor:
        """Of one member."""
        return gradient_of(self.spec, vector, masks, *batch)[0]

    @torch.no_grad()
    def _check(self) -> None:
        """Whether every text of each member is exact now, as `FitCheck` has it."""
        spec = replace(self.spec, rows=TEXTS)
        nowhere = [None] * len(spec.masks)

        def likeliest(vector: Tensor, inputs: Tensor) -> Tensor:
            return logits(spec, vector, nowhere, inputs).argmax(-1).view(inputs.shape)

        exact = torch.ones_like(self._streak, dtype=torch.bool)
        chunks = (self._inputs.split(TEXTS, 1), self._answers.split(TEXTS, 1))
        for inputs, answers in zip(*chunks, strict=True):
            missing = (0, 0, 0, TEXTS - inputs.shape[1])
            found = torch.vmap(likeliest)(self.vectors, functional.pad(inputs, missing))
            expected = functional.pad(answers, missing, value=IGNORED)
            exact &= ((found == expected) | (expected == IGNORED)).flatten(1).all(1)
        self._streak = torch.where(exact, self._streak + 1, 0)
        self.fitted |= (self._streak >= fit.IN_A_ROW).cpu()
        self._active.copy_(~self.fitted[:, None])

    # -- dropout ---------------------------------------------------------------------------------

    def _bits(self) -> Tensor:
        """Each member's random integers for the masks of a step, (members, integers)."""
        count = sum(self.spec.bits)
        if self._hashes:
            steps = self._done.expand(len(self.jobs), 1)
            return hashed_bits(count, torch.cat([self._halves, steps], 1))
        drawn = []
        with torch.random.fork_rng(devices=[]):
            for job in self.jobs:  # as `train` draws them
                torch.manual_seed(derived_seed(job.config.seed, "dropout", int(self._done)))
                drawn.append(random_bits(int(torch.randint(2**62, ())), count))
        return torch.stack(drawn).to(self.device)

    @cached_property
    def _halves(self) -> Tensor:
        """The two halves of each member's seed, (members, 2)."""
        seeds = [derived_seed(job.config.seed, "dropout") for job in self.jobs]
        return torch.tensor([halves(seed) for seed in seeds], device=self.device)


def _spec(job: Job, length: int) -> StepSpec:
    if why_not := why_not_plain(job.model):
        raise UsageError(f"these models can't be trained together: {why_not}", "train them alone")
    return replace(step_spec_of(job), length=length)


def _recipe(job: Job, batches: Batches) -> tuple[object, ...]:
    own = {"seed", "dataset"}
    return job.config.model_dump(exclude=own), batches.per_epoch, job.device, job.precision


def _stacked(texts: Sequence[Tensor], filler: int) -> Tensor:
    """Each member's (texts, length) filled up to the most and longest, and an empty text more."""
    most, longest = (max(one.shape[axis] for one in texts) for axis in (0, 1))
    return torch.stack(
        [
            functional.pad(one, (0, longest - one.shape[1], 0, most + 1 - len(one)), value=filler)
            for one in texts
        ]
    )
