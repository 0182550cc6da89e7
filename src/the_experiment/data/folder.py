"""The dataset folder: what its files are called, and the manifest that says what is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, read_jsonl, sha256
from the_experiment.base.strict import Strict, first_problem
from the_experiment.data.formats import checked
from the_experiment.data.holdout import HoldOut

MANIFEST = "dataset.json"  # written with the rest; a folder without it is no dataset of ours
SPLITS = ("train", "valid", "test")
HELD_OUT = "heldout"


class DatasetManifest(Strict):
    """What `dataset.json` says."""

    world: str
    world_text: str  # the YAML of the world; empty for a world that is a Python class
    seed: int
    hold_out: HoldOut
    held_out: list[str]  # the prompts that `hold_out` resolved to
    states: int
    rows: dict[str, int]
    sha256: dict[str, str]
    versions: dict[str, str]

    @field_validator("hold_out", mode="before")
    @classmethod
    def _was_by_text(cls, hold_out: Any) -> Any:
        """A data set that doesn't tell is from when there were hold-outs by text only."""
        return {"by": "text", **hold_out} if isinstance(hold_out, dict) else hold_out

    @field_validator("rows")
    @classmethod
    def _has_rows_to_train_on(cls, rows: dict[str, int]) -> dict[str, int]:
        if rows.get("train", 0) < 1:
            raise ValueError("no training rows")
        return rows


class DatasetFolder:
    """A folder that `generate` wrote. Raises `ExperimentError` for one that isn't whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / MANIFEST).is_file():
            raise ExperimentError(f"no dataset in {path}/", "run `the-experiment generate`")
        self.manifest = read_manifest(path / MANIFEST)

    def check_unchanged(self) -> None:
        """Raise `ExperimentError` where a file is not the one that was generated.

        What was held out would be a guess otherwise.
        """
        for name, generated in self.manifest.sha256.items():
            path = self.path / name
            if not path.is_file() or sha256(path) != generated:
                checked_rows(read_jsonl(path), str(path))  # says more where a line is torn
                raise ExperimentError(
                    f"{path} has changed since it was generated: what is held out is unknown",
                    "run `the-experiment generate` again, or remove "
                    f"{MANIFEST} to train on it as data of your own",
                )

    def rows(self, split: str) -> list[dict[str, Any]]:
        """The rows of a split, each with `prompt` and `completion`."""
        path = self.path / f"{split}.jsonl"
        return checked_rows(read_jsonl(path), str(path))


QUOTED = json.JSONEncoder(ensure_ascii=False).encode


def read_manifest(path: Path, hint: str = "run `the-experiment generate` again") -> DatasetManifest:
    """The manifest in a file. Raises `ExperimentError` that names the key that is wrong."""
    try:
        return DatasetManifest.model_validate(read_json(path, hint))
    except ValidationError as error:
        raise ExperimentError(f"{path}: {first_problem(error)}", hint) from None


def checked_rows(rows: Sequence[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """The same rows, once each is known to have a text for prompt and for completion."""
    return [checked(row, f"{where}, line {number}") for number, row in enumerate(rows, start=1)]


def json_line(prompt: str, completion: str) -> str:
    """One row of a JSONL file, with its line end.

    >>> json_line("0,1", "=1")
    '{"prompt": "0,1", "completion": "=1"}\\n'
    """
    return f'{{"prompt": {QUOTED(prompt)}, "completion": {QUOTED(completion)}}}\n'
