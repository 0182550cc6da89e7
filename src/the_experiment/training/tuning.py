"""Tuning a model that there is already, whole or by LoRA, into a run folder; see `tune`."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from loguru import logger
from transformers import PreTrainedModel, TrainerCallback
from transformers.utils.logging import disable_progress_bar as silence_bars

from the_experiment.base.extras import needed
from the_experiment.base.files import replaced_folder, sha256, write_json
from the_experiment.base.runs import Run
from the_experiment.base.seeds import derived_seed
from the_experiment.models.architectures import count
from the_experiment.models.scoring import score
from the_experiment.training import checkpoint
from the_experiment.training.checkpoint import Progress
from the_experiment.training.hardware import computing_with, hardware
from the_experiment.training.hold import Hold, claimed
from the_experiment.training.interrupt import Interrupt, delayed_interrupt
from the_experiment.training.progress import TrainProgress
from the_experiment.training.record import Metrics, finite, last_metrics, versions
from the_experiment.training.tuning_config import TuneConfig
from the_experiment.training.tuning_job import TuneJob, prepare

METRICS_EVERY = 10  # steps
PACKAGES = ("trl", "peft", "accelerate")


def tune(
    config: TuneConfig, run: Run, resume: bool = False, progress: TrainProgress | None = None
) -> Run:
    """Tune a model into the folder of `run`: what LoRA learnt into `adapter/`, all into `final/`.

    A run already there is moved to the archive once base and rows are known to be good. With
    `resume` an unfinished one goes on from its checkpoint instead, to the same weights (on the
    CPU of one machine: bit by bit) as if it had never stopped, and a finished one is left as it is.
    The base is only read.

    Ctrl-C leaves a checkpoint and raises `KeyboardInterrupt`. Raises `ExperimentError` for a base,
    rows, device or checkpoint that don't fit, for a disk that is full, for a tuning that diverges,
    and where the extra `finetune` is not installed.
    """
    needed(*PACKAGES)
    with computing_with(config.threads):
        return _tune(config, run, resume, progress)


def _tune(config: TuneConfig, run: Run, resume: bool, progress: TrainProgress | None) -> Run:
    if resume and run.complete:
        before = TuneConfig.from_file(run.config)
        checkpoint.refuse_changes(run.folder, before.model_dump(), config.model_dump())
        if Path(config.rows).is_file():
            read = run.record()["rows_sha256"]
            checkpoint.refuse_other_rows(run.folder, read, sha256(Path(config.rows)))
        logger.info("{} is complete already", run.name)
        return run
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of peft and trl about transformers
        tuning = Tuning(prepare(config, run.folder.parent), run, progress)
        try:
            tuning.begin(resume=resume)
            tuning.go()
            tuning.finish()
        finally:
            tuning.release()
    return run


class Tuning(TrainerCallback):  # type: ignore[misc]  # transformers is Any here
    """One tuning while it runs: trl's trainer makes the steps, and tells this of each.

    All randomness follows from seed and step, so that a checkpoint is weights and moments alone.
    """

    def __init__(self, job: TuneJob, run: Run, progress: TrainProgress | None) -> None:
        self.job, self.run, self.progress = job, run, progress
        self.metrics = Metrics(run.metrics)
        self.done = 0  # steps
        self.losses: list[float] = []  # since the last line of metrics
        self.loss = math.nan  # of the last line of metrics
        self.seconds = 0.0
        self.state: dict[str, torch.Tensor] = {}  # that it goes on from
        self.interrupt = Interrupt()
        self.began = 0.0  # when it would have, had it never stopped
        self.hold: Hold | None = None

    def begin(self, *, resume: bool) -> None:
        """Take the run's folder; with `resume` go on from its checkpoint, where there is one."""
        if resume and self.run.checkpoint.is_dir():
            self.hold = Hold(self.run)
            self._resume()
            return
        trained, all_of_it = self.parameters
        self.hold = claimed(
            self.run,
            {self.run.config: self.job.config.to_yaml()},
            checkpoint.size(trained, all_of_it),
        )
        logger.info(
            "{}: {:,} of {:,} parameters are trained ({:.1%})",
            *(self.run.name, trained, all_of_it, trained / all_of_it),
        )
        self._tell_valid_loss()

    def _resume(self) -> None:
        from the_experiment.training.tuning_trainer import load_weights

        self.state, saved = checkpoint.load(
            self.run.checkpoint, self.job.config, self.job.fingerprint
        )
        load_weights(self.job, self.state)
        self.done, self.losses, self.seconds = saved.step, saved.losses, saved.seconds
        self.metrics.forget_after(self.done)
        self.loss = (last_metrics(self.run.metrics) or {}).get("loss", math.nan)
        logger.info("{} goes on from step {}", self.run.name, self.done)

    @property
    def parameters(self) -> tuple[int, int]:
        """How many are trained, and how many there are, those of LoRA among them."""
        return sum(one.numel() for one in self.job.trainable.values()), count(self.job.model)

    def go(self) -> None:
        """Make the steps that are left, if any."""
        from the_experiment.training.tuning_trainer import trainer_from

        if self.done == self.job.steps:
            return
        trainer = trainer_from(self.job, self.done, self.state, self, self.run.folder)
        self.state = {}
        self.began = time.perf_counter() - self.seconds
        with delayed_interrupt() as self.interrupt:
            trainer.train()
        if self.interrupt.pressed:
            logger.info("{} stopped at step {}", self.run.name, self.done)
            raise KeyboardInterrupt

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Dropout is drawn anew from seed and step."""
        torch.manual_seed(derived_seed(self.job.config.seed, "dropout", self.done))

    def on_log(
        self, _args: Any, _state: Any, control: Any, logs: dict[str, float], **trained: Any
    ) -> None:
        """A step was made, if there is a loss: tell of it, and save where that is due."""
        if "loss" not in logs:  # at the end trl tells of everything together
            return
        self._check_folder()
        self.done += 1
        self.seconds = time.perf_counter() - self.began
        self.losses.append(finite(logs["loss"], self.run, self.done))
        self._tell(logs["learning_rate"])
        if self.done % self.job.config.checkpoint_every == 0 or self.interrupt.pressed:
            self._tell_valid_loss()
            self._save(trained["optimizer"])
        control.should_training_stop |= self.interrupt.pressed

    def _tell(self, rate: float) -> None:
        total, speed = self.job.steps, self.done / self.seconds
        if self.progress:
            self.progress.on_step(self.done, total, self.losses[-1], rate, speed)
        if self.done % METRICS_EVERY == 0 or self.done == total:
            self.loss = fmean(self.losses)
            self.losses.clear()
            self.metrics.add(
                step=self.done,
                total=total,
                epoch=self.job.config.epochs * self.done / total,
                loss=self.loss,
                learning_rate=rate,
                steps_per_second=speed,
            )

    def _tell_valid_loss(self) -> None:
        if self.job.valid is not None:
            self.metrics.add(step=self.done, valid_loss=self._valid_loss())

    def _valid_loss(self) -> float | None:
        """Mean cross-entropy (natural logarithm) of the completions' tokens, their end included."""
        if self.job.valid is None:
            return None
        training = self.job.model.training
        scores = score(self.job.model.eval(), self.job.tokenizer, self.job.valid.pairs)
        self.job.model.train(training)
        tokens = sum(len(one.logprobs) for one in scores)
        return finite(-sum(one.logprob for one in scores) / tokens, self.run, self.done)

    def _save(self, optimizer: Any) -> None:
        from the_experiment.training.tuning_trainer import state_of

        checkpoint.save(
            self.run.checkpoint,
            state_of(self.job, optimizer),
            Progress(
                step=self.done,
                streak=0,
                losses=self.losses,
                seconds=self.seconds,
                config=self.job.config.model_dump(),
                fingerprint=self.job.fingerprint,
            ),
        )

    def finish(self) -> None:
        """Write the adapter and the model, then `run.json`, which makes the run complete."""
        silence_bars()
        model = self.job.model.eval()
        record = self._record()  # raises where the model has diverged
        self._check_folder()
        if self.job.config.method == "lora":
            with replaced_folder(self.run.adapter) as folder:
                model.save_pretrained(folder, save_embedding_layers=False)
                (folder / "README.md").unlink(missing_ok=True)  # a form that nobody filled in
            model = model.merge_and_unload(safe_merge=True)
        self._write(model, self.run.final)
        write_json(self.run.run_json, record)

    def _write(self, model: PreTrainedModel, place: Path) -> None:
        with replaced_folder(place) as folder:
            model.save_pretrained(folder)
            self.job.tokenizer.save_pretrained(folder)

    def _check_folder(self) -> None:
        if self.hold:
            self.hold.check()

    def release(self) -> None:
        """Let other trainings at the run's folder."""
        if self.hold:
            self.hold.release()

    def _record(self) -> dict[str, Any]:
        job, (trained, all_of_it) = self.job, self.parameters
        return {
            "name": self.run.name,
            "base": job.config.base,
            "method": job.config.method,
            "parameters": all_of_it,
            "trained_parameters": trained,
            "trained_share": trained / all_of_it,
            "rows": len(job.train.pairs),
            "rows_sha256": sha256(Path(job.config.rows)),
            "steps": self.done,
            "epochs": float(job.config.epochs),
            "loss": self.loss,
            "valid_loss": self._valid_loss(),
            "seconds": round(self.seconds, 3),
            "device": str(job.device),
            "precision": job.precision,
            "hardware": hardware(job.device, job.precision),
            "seed": job.config.seed,
            "bos": job.tokenizer.bos_token,
            "versions": versions(*PACKAGES),
        }
