"""What every training does besides its steps: folder, metrics, checkpoints, record, Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import Any

import torch
from loguru import logger

from the_experiment.base.files import write_json
from the_experiment.base.runs import Run
from the_experiment.engine.manifest import start_manifest, versions
from the_experiment.training import checkpoint
from the_experiment.training.checkpoint import Progress
from the_experiment.training.config import TrainConfig, TuneConfig
from the_experiment.training.hardware import Precision, hardware
from the_experiment.training.progress import TrainProgress
from the_experiment.training.record import Metrics, finite, last_metrics
from the_experiment.training.run_lock import RunLock, claimed


class Interrupt:
    """Whether Ctrl-C has been pressed."""

    pressed = False

    def press(self, _signal: int, _frame: FrameType | None) -> None:
        """Remember the first Ctrl-C; a second one interrupts at once."""
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def delayed_interrupt() -> Iterator[Interrupt]:
    """Within the block Ctrl-C only sets `pressed`. Threads other than the main one see none."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt.press)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


State = dict[str, torch.Tensor]
Losses = list[float | torch.Tensor]
AnyConfig = TrainConfig | TuneConfig


class Lifecycle:
    """A training's run folder, from its claim to `run.json`, whoever makes the steps."""

    def __init__(
        self,
        run: Run,
        config: AnyConfig,
        *,
        total: int,
        fingerprint: str,
        metrics_every: int,
        progress_every: int,
        progress: TrainProgress | None,
        read_every: int = 1,
    ) -> None:
        self.run, self.config, self.progress = run, config, progress
        self.total = total  # steps
        self.fingerprint = fingerprint  # of the rows
        self.metrics_every, self.progress_every = metrics_every, progress_every  # steps
        self.read_every = read_every  # steps: reading a loss waits for the device that it is on
        self.metrics = Metrics(run.metrics)
        self.done = 0  # steps
        self.seconds = 0.0
        self.loss = math.nan  # of the last line of metrics
        self._losses: Losses = []  # since then
        self._lines: list[tuple[int, float, Losses]] = []  # due, but not read: step, rate, losses
        self._lock: RunLock | None = None  # of the run's folder, once it is ours
        self._manifest = start_manifest(config.model_dump(mode="json"))

    @property
    def claimed(self) -> bool:
        """Whether the run's folder is ours."""
        return self._lock is not None

    def claim(self, trained: int, parameters: int, texts: Mapping[Path, str] | None = None) -> None:
        """Take the run's folder, for so many parameters of which so many are trained.

        What is there goes to the archive. `texts` are written beside the configuration.
        """
        files = {self.run.config: self.config.to_yaml(), **(texts or {})}
        self._lock = claimed(self.run, files, checkpoint.size(trained, parameters))

    def resume(self) -> tuple[State, Progress] | None:
        """Go on from the checkpoint: weights and moments, and where it was; None without one."""
        if not self.run.checkpoint.is_dir():
            if self.run.folder.is_dir():
                logger.info("{} has no checkpoint yet: starting over", self.run.name)
            return None
        self._lock = RunLock(self.run)
        state, saved = checkpoint.load(self.run.checkpoint, self.config, self.fingerprint)
        self.done, self.seconds, self._losses = saved.step, saved.seconds, [*saved.losses]
        self.metrics.forget_after(self.done)
        self.loss = (last_metrics(self.run.metrics) or {}).get("loss", math.nan)
        logger.info("{} resumes from step {}", self.run.name, self.done)
        return state, saved

    def check_folder(self) -> None:
        """Raise `ExperimentError` where the run's folder is gone by now, or another one."""
        if self._lock:
            self._lock.check()

    def step_made(self, loss: float | torch.Tensor, rate: float) -> None:
        """Count a step, in which the learning rate was `rate`; progress and metrics now and then.

        A loss on a device is read where it is written down, and then only every `read_every` steps.
        """
        self._losses.append(loss)
        self.done += 1
        if self.progress and self._is_due(max(self.progress_every, self.read_every)):
            speed = self.done / self.seconds
            self.progress.on_step(self.done, self.total, float(loss), rate, speed)
        if self._is_due(self.metrics_every):
            self._lines.append((self.done, rate, self._losses))
            self._losses = []
        if self._is_due(self.read_every):
            self._write_lines()

    def _is_due(self, every: int) -> bool:
        return self.done % every == 0 or self.done == self.total

    def _write_lines(self) -> None:
        """The lines of metrics that are due."""
        for step, rate, losses in self._lines:
            started = time.perf_counter()
            self.loss = fmean(self._finite(losses))
            self.seconds += time.perf_counter() - started  # that the device still took
            speed = self.done / self.seconds
            self.metrics.add(
                step=step,
                total=self.total,
                epoch=self.config.epochs * step / self.total,
                loss=self.loss,
                learning_rate=rate,
                steps_per_second=speed,
            )
            left = timedelta(seconds=round((self.total - step) / speed))
            logger.debug(
                "{}: step {} of {}, loss {:.4f}, learning rate {:.1e}, {:.1f} steps/s, {} left",
                *(self.run.name, step, self.total, self.loss, rate, speed, left),
            )
        self._lines.clear()

    @property
    def epochs(self) -> float:
        """How many passes over the rows are made."""
        return self.config.epochs * self.done / self.total

    def mean_loss(self) -> float:
        """Over the steps since the last line of metrics, or what that said.

        Raises `ExperimentError` for infinity and for what is no number.
        """
        self._write_lines()
        return fmean(self._finite(self._losses)) if self._losses else self.loss

    def _finite(self, losses: Losses) -> list[float]:
        return [finite(float(loss), self.run, self.done) for loss in losses]

    def save(self, state: State, streak: int = 0) -> None:
        """Write a checkpoint, in place of the last one."""
        self._write_lines()
        checkpoint.save(
            self.run.checkpoint,
            state,
            Progress(
                step=self.done,
                streak=streak,
                losses=self._finite(self._losses),
                seconds=self.seconds,
                config=self.config.model_dump(),
                fingerprint=self.fingerprint,
            ),
        )

    def record(
        self, device: torch.device, precision: Precision, *packages: str, **more: Any
    ) -> dict[str, Any]:
        """What `run.json` will say. Raises `ExperimentError` where the training has diverged."""
        manifest = self._manifest.ended().model_dump(exclude={"versions", "arguments"})
        return {
            "name": self.run.name,
            **more,
            "steps": self.done,
            "epochs": self.epochs,
            "loss": self.mean_loss(),
            "seconds": round(self.seconds, 3),
            "device": str(device),
            "precision": precision,
            "hardware": hardware(device, precision),
            "seed": self.config.seed,
            "versions": versions("the-experiment", "torch", "transformers", *packages),
            "manifest": manifest,
        }

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write `run.json`, which makes the run complete."""
        write_json(self.run.run_json, record)

    def release(self) -> None:
        """Let other trainings at the run's folder."""
        if self._lock:
            self._lock.release()


def refuse_other(run: Run, config: AnyConfig, rows: object, rows_now: object) -> None:
    """Raise `ExperimentError` where a complete run is of another configuration, or other rows.

    `rows` are the fingerprints in its record; `rows_now` None where there are none any more.
    """
    before = type(config).from_file(run.config)
    checkpoint.refuse_changes(run.folder, before.model_dump(), config.model_dump())
    if rows_now is not None:
        checkpoint.refuse_other_rows(run.folder, rows, rows_now)
    logger.info("{} is already complete", run.name)
