"""Reading training data: our folder, files of one's own, or whatever `datasets` can load."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from the_experiment.base.errors import ExperimentError, first_line
from the_experiment.base.tables import (
    KINDS,
    ON_DISK,
    READERS,
    SPLITS_ON_DISK,
    TableFile,
    format_of,
    read_table,
)
from the_experiment.data.folder import MANIFEST, DatasetFolder
from the_experiment.data.formats import completed
from the_experiment.data.split import Split

Pair = tuple[str, str]  # prompt and completion

NAMES = {  # of splits
    "train": ("train",),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test",),
}


@dataclass(frozen=True)
class DatasetInfo:
    """What a model has to know of a data set before it sees a row of it."""

    world_name: str
    alphabet: str  # every character, sorted
    longest: int  # characters of the longest prompt and completion together


def read_dataset(dataset: str) -> dict[str, list[Pair]]:
    """The (prompt, completion) pairs of each split there is, in order.

    Questions, conversations and instructions are read as well: see `data.formats`.

    Raises `ExperimentError` for a data set that is missing, has no rows to train on, other columns,
    something else than texts in them, or is no longer as `generate` wrote it.
    """
    if is_ours(dataset):
        DatasetFolder(Path(dataset)).check_unchanged()
    pairs = _local_pairs(Path(dataset)) or _other_pairs(dataset)
    if not pairs.get("train"):
        raise ExperimentError(f"{dataset} has no training rows: it needs a split called train")
    return pairs


def dataset_info(dataset: str, pairs: dict[str, list[Pair]]) -> DatasetInfo:
    """The info of our folder comes from its world, held-out states included; else from the rows."""
    if is_ours(dataset):
        world = Split(DatasetFolder(Path(dataset)).manifest).world
        return DatasetInfo(world.name, world.alphabet, world.longest)
    texts = [prompt + completion for split in pairs.values() for prompt, completion in split]
    return DatasetInfo(
        world_name(dataset), "".join(sorted(set("".join(texts)))), max(map(len, texts))
    )


def world_name(dataset: str) -> str:
    """The name of the world that the data is from; where there is none, of the data itself."""
    if is_ours(dataset):
        return DatasetFolder(Path(dataset)).manifest.world
    path = Path(dataset)
    without_ending = path.name[: -len(format_of(path))] if format_of(path) else path.stem
    return (without_ending if path.is_file() else path.name) or "data"


def is_ours(dataset: str) -> bool:
    """Whether this is a folder that `generate` wrote."""
    return (Path(dataset) / MANIFEST).is_file()


def _local_pairs(path: Path) -> dict[str, list[Pair]]:
    """The pairs of a file, all of them to train on, or of `train.jsonl`, … in a folder.

    Empty where there is none that is read directly.
    """
    if path.is_file() or (path / ON_DISK).is_file():
        files = {"train": path}
    elif (path / SPLITS_ON_DISK).is_file():
        files = {split: folder for split in NAMES if (folder := _split_folder(path, split))}
    else:
        files = {split: file for split in NAMES if (file := _split_file(path, split))}
    if "train" not in files:
        return {}
    return {split: _pairs(read_table(file)) for split, file in files.items()}


def _split_folder(folder: Path, split: str) -> Path | None:
    """The folder of a split of what `DatasetDict.save_to_disk` wrote."""
    found = (folder / name for name in NAMES[split])
    return next((one for one in found if (one / ON_DISK).is_file()), None)


def _split_file(folder: Path, split: str) -> Path | None:
    """The first of the files that can be meant, in the order of `READERS` and `NAMES`."""
    there = {file.name.lower(): file for file in folder.glob("*") if file.is_file()}
    names = (f"{name}{kind}" for kind in READERS for name in NAMES[split])
    return next((there[name] for name in names if name in there), None)


def _other_pairs(dataset: str) -> dict[str, list[Pair]]:
    """The pairs of anything that `datasets` can load: local, or the hub's.

    The network is used only for a name that can be no local path.
    """
    path = Path(dataset)
    hub_name = len(path.parts) == 2 and not path.is_absolute() and not path.parent.is_dir()
    if not path.exists() and (format_of(path) or not hub_name):
        raise ExperimentError(f"no dataset in {dataset}", "run `the-experiment generate`")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(dataset)
        tables = {
            split: TableFile(Path(dataset, name), loaded[name].to_list())
            for split, names in NAMES.items()
            for name in names
            if name in loaded
        }
    except Exception as error:  # datasets raises many kinds; all mean that it can't be read
        raise ExperimentError(
            f"{dataset} can't be read as a data set ({first_line(error)})",
            f"give a folder that `the-experiment generate` wrote, or a file of {KINDS}",
        ) from None
    return {split: _pairs(table) for split, table in tables.items()}


def _pairs(table: TableFile) -> list[Pair]:
    return [
        (row["prompt"], row["completion"])
        for where, read in table.placed()
        for row in completed(read, where)
    ]
