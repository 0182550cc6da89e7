"""Writing a dataset folder: rows drawn from the states that are not held out."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import numpy as np
from loguru import logger
from pydantic import Field

from the_experiment.base import defaults
from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import plain_os_errors, replaced_folder, sha256, write_json
from the_experiment.base.seeds import Integers
from the_experiment.base.strict import Strict
from the_experiment.data.folder import (
    HELD_OUT,
    MANIFEST,
    SPLITS,
    DatasetFolder,
    DatasetManifest,
    json_line,
)
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import LISTED, Draw
from the_experiment.worlds.world import World

Progress = Callable[[int], None]  # told the number of rows written since the last call


class Sizes(Strict):
    """How many rows each file gets."""

    train: int = Field(defaults.TRAIN_ROWS, ge=1)
    valid: int = Field(defaults.VALID_ROWS, ge=0)
    test: int = Field(defaults.TEST_ROWS, ge=0)

    def total(self) -> int:
        """All rows together."""
        return self.train + self.valid + self.test


def generate(
    world: World,
    hold_out: HoldOut,
    sizes: Sizes,
    seed: int,
    out: Path,
    progress: Progress | None = None,
) -> DatasetFolder:
    """Write the dataset folder `out`, whole or not at all; the same seed gives the same bytes.

    A dataset already there is replaced. A folder that is something else is refused.
    """
    check_replaceable(out)
    held_out = hold_out.resolve(world, seed)
    with replaced_folder(out) as folder:
        draw = Draw(world, hold_out, held_out, seed)
        for split in SPLITS:
            with _jsonl(folder, split) as file:
                rows = getattr(sizes, split)
                _write_split(file, draw, split, rows, progress or (lambda _: None))
        with _jsonl(folder, HELD_OUT) as file:
            file.write("".join(_lines(world, held_out)))
        manifest = DatasetManifest(
            world=world.name,
            world_text=world.source,
            seed=seed,
            hold_out=hold_out,
            held_out=world.prompts(world.states_at(held_out)),
            states=world.size,
            rows=sizes.model_dump() | {HELD_OUT: len(held_out)},
            sha256={path.name: sha256(path) for path in sorted(folder.glob("*.jsonl"))},
            versions={
                "the-experiment": version("the-experiment"),
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        )
        write_json(folder / MANIFEST, manifest.model_dump())
    logger.debug("wrote {}: {} rows, {} states held out", out, sizes.total(), len(held_out))
    return DatasetFolder(out)


def check_replaceable(out: Path) -> None:
    """Refuse to replace anything but an empty folder, or a dataset with nothing else beside it."""
    ours = {MANIFEST, *(f"{split}.jsonl" for split in (*SPLITS, HELD_OUT))}
    with plain_os_errors(f"looking at {out}"):
        there = {path.name for path in out.iterdir()} if out.is_dir() else set()
        a_file = out.exists() and not out.is_dir()
    if a_file or (there and MANIFEST not in there):
        what = "is not a dataset folder"
    elif there - ours:
        what = f"has files that are not a dataset's: {', '.join(sorted(there - ours))}"
    else:
        return
    raise ExperimentError(f"{out} already exists and {what}", "choose another place with --out")


def _jsonl(folder: Path, split: str) -> TextIO:
    return (folder / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n")


def _write_split(file: TextIO, draw: Draw, split: str, rows: int, progress: Progress) -> None:
    table = _lines(draw.world, draw.world.numbers()) if draw.world.size <= LISTED else None
    for states in draw.chunks(split, rows):
        lines = [table[s] for s in states.tolist()] if table else _lines(draw.world, states)
        file.write("".join(lines))
        progress(len(states))


def _lines(world: World, indices: Integers) -> list[str]:
    states = world.states_at(indices)
    texts = zip(world.prompts(states), world.completions(states), strict=True)
    return [json_line(prompt, completion) for prompt, completion in texts]
