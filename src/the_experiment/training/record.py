"""What a run folder says about a training: lines along the way, and `run.json` at the end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import plain_os_errors, write_text
from the_experiment.base.runs import TRAIN, Run
from the_experiment.data.folder import read_manifest


@dataclass(frozen=True)
class TrainResult:
    """What came out of a training."""

    run: Run
    steps: int
    epochs: float
    fitted: bool | None  # None where nobody asked
    loss: float  # mean of the last steps, on seen rows, with dropout
    valid_loss: float | None
    seconds: float


def result_of(run: Run) -> TrainResult:
    """The result that a complete run recorded."""
    record = run.record()
    keys = ("steps", "epochs", "fitted", "loss", "valid_loss", "seconds")
    try:
        return TrainResult(run, **{key: record[key] for key in keys})
    except (KeyError, TypeError):
        raise ExperimentError(f"{run.run_json} is incomplete", f"{TRAIN} again") from None


class Metrics:
    """`metrics.jsonl`: one JSON object a line, on disk as soon as it is known."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, **values: Any) -> None:
        """Append a line."""
        with (
            plain_os_errors(f"writing {self._path}"),
            self._path.open("a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(values) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop the lines of later steps, which will be taken again, and a torn last line."""
        if self._path.is_file():
            kept = [line for line in self._lines() if json.loads(line)["step"] <= step]
            write_text(self._path, "".join(line + "\n" for line in kept))

    def _lines(self) -> Iterator[str]:
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                json.loads(line)
                yield line


def last_metrics(path: Path) -> dict[str, Any] | None:
    """The last line about losses, or None where there is none yet."""
    if not path.is_file():
        return None
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    lines = (json.loads(line) for line in reversed(whole.splitlines()))
    return next((line for line in lines if "loss" in line), None)


def finite(loss: float, run: Run, step: int) -> float:
    """`loss` itself. Raises `ExperimentError` for infinity and for what is no number."""
    if not math.isfinite(loss):
        raise ExperimentError(
            f"{run.name} diverged: by step {step} its loss is {loss}",
            "train again with a smaller --learning-rate",
        )
    return loss


def dataset_hashes(run: Run) -> dict[str, str]:
    """SHA-256 of each file of the data, as the run's copy of its manifest says; of other data none.

    The data itself may have been replaced since it was read.
    """
    return read_manifest(run.dataset).sha256 if run.dataset.is_file() else {}
