"""Training from a configuration to a run folder; see `train`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from loguru import logger
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar as silence_bars

from the_experiment.base.errors import ExperimentError, UsageError, first_line
from the_experiment.base.files import replaced_folder
from the_experiment.base.runs import Run
from the_experiment.base.seeds import derived_seed
from the_experiment.data.folder import MANIFEST, read_manifest
from the_experiment.models.architectures import count
from the_experiment.training import fit
from the_experiment.training.compiled import (
    CompiledStep,
    FusedStep,
    fused_step,
    why_not_fused,
)
from the_experiment.training.config import TrainConfig
from the_experiment.training.fit import mean_loss
from the_experiment.training.gpt2_step import StepSpec, step_spec
from the_experiment.training.hardware import autocast, computing_with
from the_experiment.training.job import Job, prepare
from the_experiment.training.lean import lean
from the_experiment.training.lifecycle import Lifecycle, delayed_interrupt, refuse_other
from the_experiment.training.progress import TrainProgress
from the_experiment.training.record import TrainResult, dataset_hashes, finite, result_of
from the_experiment.training.rows import Batches
from the_experiment.training.step import Step

METRICS_EVERY = 50  # steps
PROGRESS_EVERY = 10
CLIP = 1.0  # the largest norm of the gradient, as transformers' Trainer has it
WEIGHT_DECAY = 0.0  # the same
WARMUP = 50  # steps, with until-fit only
LARGE = 2**26  # random integers of a step's dropout, half a gigabyte: then a GPU is busy anyway


@dataclass(frozen=True)
class Watch:
    """What is looked at while a model trains, every so many steps; it changes nothing.

    What `look` finds in the model, which is in evaluation mode, becomes a line of metrics.
    """

    every: int  # steps
    look: Callable[[PreTrainedModel, PreTrainedTokenizerBase], dict[str, Any]]


def train(
    config: TrainConfig,
    run: Run,
    *,
    resume: bool = False,
    progress: TrainProgress | None = None,
    watch: Watch | None = None,
) -> TrainResult:
    """Train a model into the folder of `run`.

    A run already there is moved to the archive once this one has made its first step. With
    `resume` an unfinished one goes on from its checkpoint instead, to the same weights (on the
    CPU of one machine: bit by bit) as if it had never stopped, and a finished one is returned as
    it is.

    Ctrl-C leaves a checkpoint and raises `KeyboardInterrupt`. Raises `ExperimentError` for data,
    device or checkpoint that don't fit, for a disk that is full or can't be written, and for a
    training that diverges.
    """
    with computing_with(config.threads, deterministic=config.deterministic):
        return _train(config, run, resume, progress, watch)


def learning_rate(config: TrainConfig, done: int, total: int) -> float:
    """That of the step after `done` of them: linear to zero, as transformers' Trainer has it.

    Until-fit has no known end to decay to: it stays constant after a short warm-up.
    """
    if config.until_fit:
        return config.learning_rate * min(1.0, (done + 1) / WARMUP)
    return config.learning_rate * (1 - done / total)


def step_spec_of(job: Job) -> StepSpec:
    """A step of this training as a pure function."""
    return step_spec(
        job.model,
        rows=job.config.batch_size,
        length=job.train.inputs.shape[1],
        precision=torch.bfloat16 if job.precision == "bf16" else torch.float32,
        clip=CLIP,
        weight_decay=WEIGHT_DECAY,
    )


def _train(
    config: TrainConfig,
    run: Run,
    resume: bool,
    progress: TrainProgress | None,
    watch: Watch | None,
) -> TrainResult:
    if resume and run.complete:
        manifest = Path(config.dataset) / MANIFEST
        now = read_manifest(manifest).sha256 if manifest.is_file() else None
        refuse_other(run, config, run.record()["dataset_sha256"], now)
        return result_of(run)
    training = Training(prepare(config), run, progress, watch)
    try:
        if resume:
            training.resume()
        training.go()
        return training.finish()
    finally:
        training.lifecycle.release()


class Training:
    """One training from scratch, or from a base, while it runs: its steps."""

    def __init__(
        self, job: Job, run: Run, progress: TrainProgress | None, watch: Watch | None
    ) -> None:
        config = job.config
        self.job, self.run, self.watch = job, run, watch
        self.batches = Batches(job.train, config.batch_size, config.seed)
        self.targets = job.train.labels if config.loss == "all" else job.train.answers
        self.step = self._fused() or Step(
            job.model,
            clip=CLIP,
            weight_decay=WEIGHT_DECAY,
            autocast=autocast(job.precision, job.device),
        )
        self.check = fit.FitCheck(job.model, job.train)
        self.lifecycle = Lifecycle(
            run,
            config,
            total=config.epochs * self.batches.per_epoch,
            fingerprint=job.train.fingerprint,
            metrics_every=METRICS_EVERY,
            progress_every=PROGRESS_EVERY,
            progress=progress,
            read_every=self.batches.per_epoch if self._runs_ahead() else 1,
        )

    def _runs_ahead(self) -> bool:
        """Whether steps are launched before earlier ones are over: nothing reads what they give."""
        return self.job.device.type != "cpu" and not self.job.config.until_fit

    def _fused(self) -> FusedStep | None:
        """The step as one program: where that is asked for, and of a small model on a GPU."""
        job, config = self.job, self.job.config
        why_not = why_not_fused(job.model)
        if config.compiled and why_not:
            raise UsageError(f"the step can't be compiled: {why_not}", "leave --compile out")
        if why_not or config.plain:
            return None
        spec = step_spec_of(job)
        if not config.compiled and (job.device.type == "cpu" or sum(spec.bits) > LARGE):
            return None
        try:
            return fused_step(job.model, spec)
        except Exception as error:  # of the compiler: its kinds differ from machine to machine
            raise ExperimentError(
                f"the step could not be compiled ({first_line(error)})", "leave --compile out"
            ) from error

    def resume(self) -> None:
        """Go on from the run's checkpoint, where there is one."""
        if found := self.lifecycle.resume():
            state, saved = found
            self.step.restore(state, saved.step)
            self.check.streak = saved.streak

    def go(self) -> None:
        """Make steps until the epochs are over, or all that was seen is fitted."""
        self.job.model.train()
        with self.stand_ins(), delayed_interrupt() as interrupt:
            while self.lifecycle.done < self.lifecycle.total and not self.check.fitted:
                self.one_step()
                if interrupt.pressed:
                    self._save()
                    logger.info("{} stopped at step {}", self.run.name, self.lifecycle.done)
                    raise KeyboardInterrupt

    def stand_ins(self) -> AbstractContextManager[None]:
        """What steps are made in: faster modules in place of the model's, unless told otherwise."""
        whole = isinstance(self.step, FusedStep)
        if whole or self.job.config.plain or self.job.device.type != "cpu":
            return nullcontext()
        logger.debug(
            "{}: hooks on dropout, and on GPT-2's blocks and what is in them, don't fire while it "
            "trains: faster modules stand in for them (--plain: none do)",
            self.run.name,
        )
        return lean(self.job.model)

    def one_step(self) -> None:
        """One batch, and whatever is due after so many steps."""
        started, done = time.perf_counter(), self.lifecycle.done
        texts, length = self.batches.texts(done)
        torch.manual_seed(derived_seed(self.job.config.seed, "dropout", done))
        rate = learning_rate(self.job.config, self.lifecycle.done, self.lifecycle.total)
        loss = self.step(self.job.train.inputs[texts, :length], self.targets[texts, :length], rate)
        self.lifecycle.seconds += time.perf_counter() - started
        if not self.lifecycle.claimed:
            self._claim()
        self.lifecycle.check_folder()
        self.lifecycle.step_made(loss, rate)
        if self.job.config.until_fit and self.lifecycle.done % fit.EVERY == 0:
            exact = self.check.check()
            streak = self.check.streak
            self.lifecycle.metrics.add(
                step=self.lifecycle.done, all_seen_exact=exact, in_a_row=streak
            )
        if self.watch and self.lifecycle.done % self.watch.every == 0:
            self._look(self.watch)
        if self.lifecycle.done % self.job.config.checkpoint_every == 0:
            self._save()

    def _look(self, watch: Watch) -> None:
        self.job.model.eval()
        with torch.inference_mode():
            found = watch.look(self.job.model, self.job.tokenizer)
        self.job.model.train()
        self.lifecycle.metrics.add(step=self.lifecycle.done, **found)

    def _claim(self) -> None:
        """Take the run's folder, and write down what is trained there."""
        manifest, parameters = Path(self.job.config.dataset) / MANIFEST, count(self.job.model)
        texts = {}
        if manifest.is_file():  # the split it is trained on, whatever becomes of the data
            texts[self.run.dataset] = manifest.read_text(encoding="utf-8")
        self.lifecycle.claim(parameters, parameters, texts)

    def _save(self) -> None:
        self.lifecycle.save(self.step.state(), self.check.streak)

    def finish(self) -> TrainResult:
        """Write the model, then `run.json`, which makes the run complete."""
        job = self.job
        job.model.eval()
        silence_bars()  # of writing one small file
        record = self._record()  # raises where the model has diverged
        self.lifecycle.check_folder()
        with replaced_folder(self.run.final) as folder:
            job.model.save_pretrained(folder)
            job.tokenizer.save_pretrained(folder)
        self.lifecycle.finish(record)
        return result_of(self.run)

    def _record(self) -> dict[str, Any]:
        job, config = self.job, self.job.config
        return self.lifecycle.record(
            job.device,
            job.precision,
            model=config.model if config.base is None else job.model.config.model_type,
            size=config.size,
            world=job.info.world_name,
            parameters=count(job.model),
            fitted=self.check.fitted if config.until_fit else None,
            compiled=isinstance(self.step, CompiledStep),
            valid_loss=self._valid_loss(),
            dataset=config.dataset,
            dataset_sha256=dataset_hashes(self.run),
        )

    def _valid_loss(self) -> float | None:
        if self.job.valid is None:
            return None
        return finite(mean_loss(self.job.model, self.job.valid), self.run, self.lifecycle.done)
