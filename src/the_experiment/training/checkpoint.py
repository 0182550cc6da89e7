"""The folder a training resumes from: replaced whole, read back exactly. No pickle."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, replaced_folder, write_json
from the_experiment.base.strict import Strict, first_problem
from the_experiment.training.config import Configuration

AGAIN = "train again without --resume; what is there is kept in archive/"


class Progress(Strict):
    """Where a training stands after `step` steps. All randomness follows from seed and step."""

    step: int
    streak: int  # fit checks in a row that were all right
    losses: list[float]  # since the last line of metrics
    seconds: float  # of training so far
    config: dict[str, object]
    fingerprint: str  # of the rows


def size(trained: int, parameters: int) -> int:
    """Bytes of a checkpoint, weights and two moments, and of the model at the end, in fp32."""
    return 4 * (3 * trained + parameters)


def save(folder: Path, state: dict[str, Tensor], progress: Progress) -> None:
    """Replace the checkpoint in `folder`; a reader finds the old one or the new one."""
    with replaced_folder(folder) as beside:
        on_cpu = {name: tensor.cpu() for name, tensor in state.items()}
        save_file(on_cpu, beside / "state.safetensors")
        write_json(beside / "progress.json", progress.model_dump())


def load(
    folder: Path, config: Configuration, fingerprint: str
) -> tuple[dict[str, Tensor], Progress]:
    """The checkpoint in `folder`.

    Raises `ExperimentError` if it is torn, or belongs to another configuration or other rows.
    """
    progress = _progress(folder / "progress.json")
    # An earlier version didn't know all of today's settings: what it did is their default.
    before = type(config).checked(**progress.config)
    refuse_changes(folder, before.model_dump(), config.model_dump())
    refuse_other_rows(folder, progress.fingerprint, fingerprint)
    try:
        return load_file(folder / "state.safetensors"), progress
    except (OSError, SafetensorError) as error:
        raise ExperimentError(f"{folder} is incomplete ({error})", AGAIN) from None


def refuse_changes(folder: Path, before: dict[str, object], now: dict[str, object]) -> None:
    """Raise `ExperimentError` where `folder` was trained with another configuration than now."""
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        raise ExperimentError(
            f"{folder} was trained with another {', '.join(changed)}",
            f"resume with the same settings, or {AGAIN}",
        )


def refuse_other_rows(folder: Path, before: object, now: object) -> None:
    """Raise `ExperimentError` where fingerprints tell that `folder` is of other rows than now."""
    if before != now:
        raise ExperimentError(f"the rows have changed since {folder} was written", AGAIN)


def _progress(path: Path) -> Progress:
    try:
        return Progress.model_validate(read_json(path, AGAIN))
    except ValidationError as error:
        raise ExperimentError(
            f"{path} is not a checkpoint: {first_problem(error)}", AGAIN
        ) from None
