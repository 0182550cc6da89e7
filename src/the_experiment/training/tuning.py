"""Tuning a model that there is already, whole or by LoRA, into a run folder; see `tune`."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import torch
from loguru import logger
from transformers import PreTrainedModel, TrainerCallback
from transformers.utils.logging import disable_progress_bar as silence_bars

from the_experiment.base.errors import require_packages
from the_experiment.base.files import replaced_folder, sha256
from the_experiment.base.runs import Run
from the_experiment.base.seeds import derived_seed
from the_experiment.models.architectures import count
from the_experiment.models.scoring import score
from the_experiment.training.config import TuneConfig
from the_experiment.training.hardware import computing_with
from the_experiment.training.lifecycle import Interrupt, Lifecycle, delayed_interrupt, refuse_other
from the_experiment.training.progress import TrainProgress
from the_experiment.training.record import finite
from the_experiment.training.tuning_job import TuneJob, prepare_tuning

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
    require_packages(*PACKAGES)
    with computing_with(config.threads):
        return _tune(config, run, resume, progress)


def _tune(config: TuneConfig, run: Run, resume: bool, progress: TrainProgress | None) -> Run:
    if resume and run.complete:
        rows = Path(config.rows)
        now = sha256(rows) if rows.is_file() else None
        refuse_other(run, config, run.record()["rows_sha256"], now)
        return run
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of peft and trl about transformers
        tuning = Tuning(prepare_tuning(config, run.folder.parent), run, progress)
        try:
            tuning.begin(resume=resume)
            tuning.go()
            tuning.finish()
        finally:
            tuning.lifecycle.release()
    return run


class Tuning(TrainerCallback):  # type: ignore[misc]  # transformers is Any here
    """One tuning while it runs: trl's trainer makes the steps, and tells this of each.

    All randomness follows from seed and step, so that a checkpoint is weights and moments alone.
    """

    def __init__(self, job: TuneJob, run: Run, progress: TrainProgress | None) -> None:
        self.job, self.run = job, run
        self.state: dict[str, torch.Tensor] = {}  # that it goes on from
        self.interrupt = Interrupt()
        self.began = 0.0  # when it would have, had it never stopped
        self.lifecycle = Lifecycle(
            run,
            job.config,
            total=job.steps,
            fingerprint=job.fingerprint,
            metrics_every=METRICS_EVERY,
            progress_every=1,
            progress=progress,
        )

    def begin(self, *, resume: bool) -> None:
        """Take the run's folder; with `resume` go on from its checkpoint, where there is one."""
        from the_experiment.training.tuning_trainer import load_weights

        if resume and (found := self.lifecycle.resume()):
            self.state, _ = found
            load_weights(self.job, self.state)
            return
        trained, all_of_it = self.parameters
        self.lifecycle.claim(trained, all_of_it)
        logger.info(
            "{}: {:,} of {:,} parameters are trained ({:.1%})",
            *(self.run.name, trained, all_of_it, trained / all_of_it),
        )
        self._tell_valid_loss()

    @property
    def parameters(self) -> tuple[int, int]:
        """How many are trained, and how many there are, those of LoRA among them."""
        return sum(one.numel() for one in self.job.trainable.values()), count(self.job.model)

    def go(self) -> None:
        """Make the steps that are left, if any."""
        from the_experiment.training.tuning_trainer import trainer_from

        if self.lifecycle.done == self.lifecycle.total:
            return
        trainer = trainer_from(self.job, self.lifecycle.done, self.state, self, self.run.folder)
        self.state = {}
        self.began = time.perf_counter() - self.lifecycle.seconds
        with delayed_interrupt() as self.interrupt:
            trainer.train()
        if self.interrupt.pressed:
            logger.info("{} stopped at step {}", self.run.name, self.lifecycle.done)
            raise KeyboardInterrupt

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Dropout is drawn anew from seed and step."""
        torch.manual_seed(derived_seed(self.job.config.seed, "dropout", self.lifecycle.done))

    def on_log(
        self, _args: Any, _state: Any, control: Any, logs: dict[str, float], **trained: Any
    ) -> None:
        """A step was made, if there is a loss: tell of it, and save where that is due."""
        from the_experiment.training.tuning_trainer import state_of

        if "loss" not in logs:  # at the end trl tells of everything together
            return
        self.lifecycle.check_folder()
        self.lifecycle.seconds = time.perf_counter() - self.began
        loss = finite(logs["loss"], self.run, self.lifecycle.done + 1)
        self.lifecycle.step_made(loss, logs["learning_rate"])
        due = self.lifecycle.done % self.job.config.checkpoint_every == 0
        if due or self.interrupt.pressed:
            self._tell_valid_loss()
            self.lifecycle.save(state_of(self.job, trained["optimizer"]))
        control.should_training_stop |= self.interrupt.pressed

    def _tell_valid_loss(self) -> None:
        if self.job.valid is not None:
            self.lifecycle.metrics.add(step=self.lifecycle.done, valid_loss=self._valid_loss())

    def _valid_loss(self) -> float | None:
        """Mean cross-entropy (natural logarithm) of the completions' tokens, their end included."""
        if self.job.valid is None:
            return None
        training = self.job.model.training
        scores = score(self.job.model.eval(), self.job.tokenizer, self.job.valid.pairs)
        self.job.model.train(training)
        tokens = sum(len(one.logprobs) for one in scores)
        return finite(-sum(one.logprob for one in scores) / tokens, self.run, self.lifecycle.done)

    def finish(self) -> None:
        """Write the adapter and the model, then `run.json`, which makes the run complete."""
        silence_bars()
        model = self.job.model.eval()
        record = self._record()  # raises where the model has diverged
        self.lifecycle.check_folder()
        if self.job.config.method == "lora":
            with replaced_folder(self.run.adapter) as folder:
                model.save_pretrained(folder, save_embedding_layers=False)
                (folder / "README.md").unlink(missing_ok=True)  # a form that nobody filled in
            model = model.merge_and_unload(safe_merge=True)
        self._write(model, self.run.final)
        self.lifecycle.finish(record)

    def _write(self, model: PreTrainedModel, place: Path) -> None:
        with replaced_folder(place) as folder:
            model.save_pretrained(folder)
            self.job.tokenizer.save_pretrained(folder)

    def _record(self) -> dict[str, Any]:
        job, (trained, all_of_it) = self.job, self.parameters
        return self.lifecycle.record(
            job.device,
            job.precision,
            *PACKAGES,
            base=job.config.base,
            method=job.config.method,
            parameters=all_of_it,
            trained_parameters=trained,
            trained_share=trained / all_of_it,
            rows=len(job.train.pairs),
            rows_sha256=sha256(Path(job.config.rows)),
            valid_loss=self._valid_loss(),
            bos=job.tokenizer.bos_token,
        )
