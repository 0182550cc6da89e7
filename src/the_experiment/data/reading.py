"""Reading training data: our folder, JSONL of one's own, or whatever `datasets` can load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl
from the_experiment.data.folder import MANIFEST, SPLITS, DatasetFolder, checked_rows
from the_experiment.data.split import Split

Pair = tuple[str, str]  # prompt and completion


@dataclass(frozen=True)
class DatasetInfo:
    """What a model has to know of a data set before it sees a row of it."""

    world_name: str
    alphabet: str  # every character, sorted
    longest: int  # characters of the longest prompt and completion together


def read_dataset(dataset: str) -> dict[str, list[Pair]]:
    """The (prompt, completion) pairs of each split there is, in order.

    Raises `ExperimentError` for a data set that is missing, has no rows to train on, other columns,
    something else than texts in them, or is no longer as `generate` wrote it.
    """
    if is_ours(dataset):
        DatasetFolder(Path(dataset)).check_unchanged()
    pairs = _local_pairs(Path(dataset)) or _other_pairs(dataset)
    if not pairs.get("train"):
        raise ExperimentError(f"{dataset} has no rows to train on, in a split called train")
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
    return Path(dataset).name or "data"


def is_ours(dataset: str) -> bool:
    """Whether this is a folder that `generate` wrote."""
    return (Path(dataset) / MANIFEST).is_file()


def _local_pairs(folder: Path) -> dict[str, list[Pair]]:
    """The pairs in `train.jsonl`, … of a folder; empty where there is no such file.

    Not read by `datasets`, which makes dates of texts that look like dates.
    """
    files = {split: folder / f"{split}.jsonl" for split in SPLITS}
    return {
        split: _pairs(read_jsonl(file), str(file))
        for split, file in files.items()
        if file.is_file()
    }


def _other_pairs(dataset: str) -> dict[str, list[Pair]]:
    """The pairs of anything that `datasets` can load: a folder of other files, or the hub's.

    The network is used only for a name that can be no local path.
    """
    path = Path(dataset)
    hub_name = len(path.parts) == 2 and not path.is_absolute() and not path.parent.is_dir()
    if not path.exists() and not hub_name:
        raise ExperimentError(f"no dataset in {dataset}/", "run `the-experiment generate`")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(dataset)
        splits = {split: loaded[split].to_list() for split in SPLITS if split in loaded}
    except Exception as error:  # datasets raises many kinds; all mean that it can't be read
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ExperimentError(
            f"{dataset} can't be read as a data set ({first_line})",
            "give a folder that `the-experiment generate` wrote, or a data set with the columns "
            "prompt and completion",
        ) from None
    return {split: _pairs(rows, f"{dataset}, {split}") for split, rows in splits.items()}


def _pairs(rows: Sequence[dict[str, Any]], where: str) -> list[Pair]:
    columns = list(dict.fromkeys(key for row in rows[:1] for key in row))
    missing = [key for key in ("prompt", "completion") if rows and key not in columns]
    if missing:
        raise ExperimentError(
            f"{where} has no column {' or '.join(missing)} (it has {', '.join(columns)})",
            "name the columns prompt and completion",
        )
    return [(row["prompt"], row["completion"]) for row in checked_rows(rows, where)]
