"""Training from a configuration to a run folder; see `train`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from loguru import logger
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar as silence_bars

from the_experiment.base.files import replaced_folder, write_json
from the_experiment.base.runs import Run
from the_experiment.base.seeds import derived_seed
from the_experiment.data.folder import MANIFEST, read_manifest
from the_experiment.models.architectures import count
from the_experiment.training import checkpoint, fit
from the_experiment.training.checkpoint import Progress
from the_experiment.training.config import TrainConfig
from the_experiment.training.hardware import computing_with, hardware
from the_experiment.training.hold import Hold, claimed
from the_experiment.training.interrupt import delayed_interrupt
from the_experiment.training.job import Job, prepare
from the_experiment.training.lean import lean
from the_experiment.training.losses import mean_loss
from the_experiment.training.precision import autocast
from the_experiment.training.progress import TrainProgress
from the_experiment.training.record import (
    Metrics,
    TrainResult,
    dataset_hashes,
    finite,
    last_metrics,
    result_of,
    versions,
)
from the_experiment.training.rows import Batches
from the_experiment.training.step import Step

METRICS_EVERY = 50  # steps
PROGRESS_EVERY = 10
CLIP = 1.0  # the largest norm of the gradient, as transformers' Trainer has it
WEIGHT_DECAY = 0.0  # the same
WARMUP = 50  # steps, with until-fit only


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


def _train(
    config: TrainConfig,
    run: Run,
    resume: bool,
    progress: TrainProgress | None,
    watch: Watch | None,
) -> TrainResult:
    if resume and run.complete:
        checkpoint.refuse_changes(
            run.folder, TrainConfig.from_file(run.config).model_dump(), config.model_dump()
        )
        manifest = Path(config.dataset) / MANIFEST
        if manifest.is_file():
            read = run.record()["dataset_sha256"]
            checkpoint.refuse_other_rows(run.folder, read, read_manifest(manifest).sha256)
        logger.info("{} is complete already", run.name)
        return result_of(run)
    training = Training(prepare(config), run, progress, watch)
    try:
        if resume:
            training.resume()
        training.go()
        return training.finish()
    finally:
        training.release()


class Training:
    """One training while it runs."""

    def __init__(
        self, job: Job, run: Run, progress: TrainProgress | None, watch: Watch | None
    ) -> None:
        config = job.config
        self.job, self.run, self.progress, self.watch = job, run, progress, watch
        self.batches = Batches(job.train, config.batch_size, config.seed)
        self.total = config.epochs * self.batches.per_epoch
        self.targets = job.train.labels if config.loss == "all" else job.train.answers
        self.step = Step(
            job.model,
            clip=CLIP,
            weight_decay=WEIGHT_DECAY,
            autocast=autocast(job.precision, job.device),
        )
        self.check = fit.FitCheck(job.model, job.train)
        self.metrics = Metrics(run.metrics)
        self.done = 0  # steps
        self.losses: list[torch.Tensor] = []  # since the last line of metrics
        self.seconds = 0.0
        self.hold: Hold | None = None  # of the run's folder, once it is ours
        self.loss = math.nan  # of the last line of metrics

    def resume(self) -> None:
        """Go on from the run's checkpoint, where there is one."""
        if not self.run.checkpoint.is_dir():
            if self.run.folder.is_dir():
                logger.info("{} has no checkpoint yet: starting over", self.run.name)
            return
        self.hold = Hold(self.run)
        state, saved = checkpoint.load(
            self.run.checkpoint, self.job.config, self.job.train.fingerprint
        )
        self.step.restore(state, saved.step)
        self.done, self.check.streak, self.seconds = saved.step, saved.streak, saved.seconds
        self.losses = [torch.tensor(loss) for loss in saved.losses]
        self.metrics.forget_after(self.done)
        self.loss = (last_metrics(self.run.metrics) or {}).get("loss", math.nan)
        logger.info("{} goes on from step {}", self.run.name, self.done)

    def go(self) -> None:
        """Make steps until the epochs are over, or all that was seen is fitted."""
        self.job.model.train()
        with self._stand_ins(), delayed_interrupt() as interrupt:
            while self.done < self.total and not self.check.fitted:
                self.one_step()
                if interrupt.pressed:
                    self._save()
                    logger.info("{} stopped at step {}", self.run.name, self.done)
                    raise KeyboardInterrupt

    def _stand_ins(self) -> AbstractContextManager[None]:
        if self.job.config.plain or self.job.device.type != "cpu":
            return nullcontext()
        logger.debug(
            "{}: hooks on dropout, and on GPT-2's blocks and what is in them, don't fire while it "
            "trains: faster modules stand in for them (--plain: none do)",
            self.run.name,
        )
        return lean(self.job.model)

    def one_step(self) -> None:
        """One batch, and whatever is due after so many steps."""
        started = time.perf_counter()
        texts = self.batches.texts(self.done)
        length = int(self.job.train.lengths[texts].max())
        torch.manual_seed(derived_seed(self.job.config.seed, "dropout", self.done))
        rate = self._rate()
        loss = self.step(self.job.train.inputs[texts, :length], self.targets[texts, :length], rate)
        self.losses.append(loss)
        self.done += 1
        self.seconds += time.perf_counter() - started
        if self.hold is None:
            self.hold = self._claim()
        self.hold.check()
        self._tell(rate)
        if self.job.config.until_fit and self.done % fit.EVERY == 0:
            exact = self.check.check()
            self.metrics.add(step=self.done, all_seen_exact=exact, in_a_row=self.check.streak)
        if self.watch and self.done % self.watch.every == 0:
            self._look(self.watch)
        if self.done % self.job.config.checkpoint_every == 0:
            self._save()

    def _look(self, watch: Watch) -> None:
        self.job.model.eval()
        with torch.inference_mode():
            found = watch.look(self.job.model, self.job.tokenizer)
        self.job.model.train()
        self.metrics.add(step=self.done, **found)

    def _rate(self) -> float:
        """The learning rate of the next step: linear to zero, as transformers' Trainer has it.

        Until-fit has no known end to decay to: it stays constant after a short warm-up.
        """
        if self.job.config.until_fit:
            return self.job.config.learning_rate * min(1.0, (self.done + 1) / WARMUP)
        return self.job.config.learning_rate * (1 - self.done / self.total)

    def _claim(self) -> Hold:
        """Take the run's folder, and write down what is trained there."""
        texts = {self.run.config: self.job.config.to_yaml()}
        manifest = Path(self.job.config.dataset) / MANIFEST
        if manifest.is_file():  # the split it is trained on, whatever becomes of the data
            texts[self.run.dataset] = manifest.read_text(encoding="utf-8")
        parameters = count(self.job.model)
        return claimed(self.run, texts, checkpoint.size(parameters, parameters))

    def _tell(self, rate: float) -> None:
        """Progress now and then, and a line of metrics less often; `rate` is the last step's."""
        last = self.done == self.total
        speed = self.done / self.seconds
        if self.progress and (self.done % PROGRESS_EVERY == 0 or last):
            self.progress.on_step(self.done, self.total, float(self.losses[-1]), rate, speed)
        if self.done % METRICS_EVERY == 0 or last:
            self.loss = fmean(self._finite_losses())
            self.losses.clear()
            self.metrics.add(
                step=self.done,
                total=self.total,
                epoch=self.done / self.batches.per_epoch,
                loss=self.loss,
                learning_rate=rate,
                steps_per_second=speed,
            )
            left = timedelta(seconds=round((self.total - self.done) / speed))
            logger.debug(
                "{}: step {} of {}, loss {:.4f}, learning rate {:.1e}, {:.1f} steps/s, {} left",
                *(self.run.name, self.done, self.total, self.loss, rate, speed, left),
            )

    def _finite_losses(self) -> list[float]:
        """Those since the last line of metrics; reading them waits for the device."""
        return [finite(float(loss), self.run, self.done) for loss in self.losses]

    def _save(self) -> None:
        checkpoint.save(
            self.run.checkpoint,
            self.step.state(),
            Progress(
                step=self.done,
                streak=self.check.streak,
                losses=self._finite_losses(),
                seconds=self.seconds,
                config=self.job.config.model_dump(),
                fingerprint=self.job.train.fingerprint,
            ),
        )

    def finish(self) -> TrainResult:
        """Write the model, then `run.json`, which makes the run complete."""
        job = self.job
        job.model.eval()
        silence_bars()  # of writing one small file
        if self.losses:  # since the last line of metrics
            self.loss = fmean(self._finite_losses())
        record = self._record()  # raises where the model has diverged
        if self.hold:
            self.hold.check()
        with replaced_folder(self.run.final) as folder:
            job.model.save_pretrained(folder)
            job.tokenizer.save_pretrained(folder)
        write_json(self.run.run_json, record)
        return result_of(self.run)

    def release(self) -> None:
        """Let other trainings at the run's folder."""
        if self.hold:
            self.hold.release()

    def _record(self) -> dict[str, Any]:
        job, config = self.job, self.job.config
        valid_loss = None
        if job.valid is not None:
            valid_loss = finite(mean_loss(job.model, job.valid), self.run, self.done)
        return {
            "name": self.run.name,
            "model": config.model if config.base is None else job.model.config.model_type,
            "size": config.size,
            "world": job.info.world_name,
            "parameters": count(job.model),
            "steps": self.done,
            "epochs": self.done / self.batches.per_epoch,
            "fitted": self.check.fitted if config.until_fit else None,
            "loss": self.loss,
            "valid_loss": valid_loss,
            "seconds": round(self.seconds, 3),
            "device": str(job.device),
            "precision": job.precision,
            "hardware": hardware(job.device, job.precision),
            "seed": config.seed,
            "dataset": config.dataset,
            "dataset_sha256": dataset_hashes(self.run),
            "versions": versions(),
        }
