"""Reading training data through Hugging Face `datasets`: our folder, a local one, or the hub's."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError
from the_experiment.data.folder import MANIFEST, SPLITS, DatasetFolder
from the_experiment.data.split import Split

Pair = tuple[str, str]  # prompt and completion


@dataclass(frozen=True)
class DatasetInfo:
    """What a model has to know of a data set before it sees a row of it."""

    world_name: str
    alphabet: str  # every character, sorted
    longest: int  # characters of the longest prompt and completion together


def dataset_info(dataset: str) -> DatasetInfo:
    """The info of our folder comes from its world, held-out states included; else from the rows."""
    if is_ours(dataset):
        world = Split(DatasetFolder(Path(dataset)).manifest).world
        return DatasetInfo(world.name, world.alphabet, world.longest)
    texts = [
        prompt + completion for split in SPLITS for prompt, completion in _pairs(dataset, split)
    ]
    name = Path(dataset).name or "data"
    return DatasetInfo(name, "".join(sorted(set("".join(texts)))), max(map(len, texts)))


def is_ours(dataset: str) -> bool:
    """Whether this is a folder that `generate` wrote."""
    return (Path(dataset) / MANIFEST).is_file()


def read_pairs(dataset: str, split: str) -> list[Pair]:
    """The (prompt, completion) pairs of a split, in order.

    Raises `ExperimentError` for a data set that is missing, has other columns or a torn line.
    """
    # `datasets` reports a torn line without its number: look first.
    rows = DatasetFolder(Path(dataset)).rows(split) if is_ours(dataset) else None
    pairs = _pairs(dataset, split) if rows is None or rows else []
    if not pairs and split == "train":
        raise ExperimentError(f"{dataset} has no rows to train on")
    return pairs


def _pairs(dataset: str, split: str) -> list[Pair]:
    data = _loaded(dataset)
    if split not in data:
        if split == "train":
            raise ExperimentError(f"{dataset} has no split called train")
        return []
    rows = data[split]
    missing = {"prompt", "completion"} - set(rows.column_names)
    if missing:
        raise ExperimentError(
            f"{dataset} has no column {' or '.join(sorted(missing))} (it has "
            f"{', '.join(rows.column_names)})",
            "name the columns prompt and completion",
        )
    return list(zip(rows["prompt"], rows["completion"], strict=True))


def _loaded(dataset: str) -> Any:
    """A dict of splits. The network is used only for a name that is no local path."""
    path = Path(dataset)
    files = {split: str(path / f"{split}.jsonl") for split in SPLITS}
    present = {split: file for split, file in files.items() if Path(file).is_file()}
    if not path.exists() and (len(path.parts) != 2 or path.is_absolute()):
        raise ExperimentError(f"no dataset in {dataset}/", "run `the-experiment generate`")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import datasets

    datasets.disable_progress_bars()
    try:
        if not present:
            return datasets.load_dataset(dataset)
        with tempfile.TemporaryDirectory() as cache:  # a cache that outlives the file goes stale
            return {
                split: datasets.Dataset.from_json(file, cache_dir=cache, keep_in_memory=True)
                for split, file in present.items()
                if Path(file).stat().st_size
            }
    except Exception as error:  # datasets raises many kinds; all mean that it can't be read
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ExperimentError(
            f"{dataset} can't be read as a data set ({first_line})",
            "give a folder that `the-experiment generate` wrote, or a data set with the columns "
            "prompt and completion",
        ) from None
