"""What a person sees while a model trains: a bar on stderr where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from the_experiment.base.logs import stderr
from the_experiment.base.runs import Run
from the_experiment.training.record import last_metrics


class TrainProgress(Protocol):
    """Told now and then how a training goes."""

    def on_step(
        self, step: int, total: int, loss: float, learning_rate: float, steps_per_second: float
    ) -> None:
        """`step` of `total` steps are done; `loss` is that of the last one."""


class TrainingBar:
    """A line with loss, learning rate, steps a second and time left."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None, loss="", rate="", speed="")

    def on_step(
        self, step: int, total: int, loss: float, learning_rate: float, steps_per_second: float
    ) -> None:
        """Redraw, at most some times a second."""
        self._progress.update(
            self._task,
            completed=step,
            total=total,
            loss=f"loss {loss:.4f}",
            rate=f"lr {learning_rate:.1e}",
            speed=f"{steps_per_second:.1f} steps/s",
        )


def _bars() -> Progress:
    texts = [TextColumn("{task.fields[" + field + "]}") for field in ("loss", "rate", "speed")]
    columns = (TextColumn("{task.description}"), BarColumn(), *texts, TimeRemainingColumn())
    return Progress(*columns, console=stderr, disable=not stderr.is_terminal, transient=True)


@contextmanager
def training_bar(name: str) -> Iterator[TrainProgress]:
    """A progress bar on stderr for one training; it draws nothing where stderr is no terminal."""
    with _bars() as progress:
        yield TrainingBar(progress, name)


@contextmanager
def watching_bars(runs: Sequence[Run]) -> Iterator[Callable[[], None]]:
    """A bar for each training in another process; yields a function that looks how far they are."""
    with _bars() as progress:
        bars = {run: TrainingBar(progress, run.name) for run in runs}

        def look() -> None:
            for run, bar in bars.items():
                line = last_metrics(run.metrics)
                if line:
                    bar.on_step(
                        line["step"],
                        line["total"],
                        line["loss"],
                        line["learning_rate"],
                        line["steps_per_second"],
                    )

        yield look
