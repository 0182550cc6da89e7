"""Reading training data: our folder, files of one's own, or whatever `datasets` can load.

JSON and CSV are read directly: `datasets` makes dates or numbers of texts that look like them.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, read_jsonl
from the_experiment.base.words import counted
from the_experiment.data.folder import MANIFEST, DatasetFolder, checked_rows
from the_experiment.data.split import Split
from the_experiment.worlds.questions.answers import in_words

Pair = tuple[str, str]  # prompt and completion
Rows = Sequence[dict[str, Any]]

NAMES = {  # of splits
    "train": ("train",),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test",),
}
PARQUET = ".parquet"
# Columns that belong to a question, and that the rows would be trained without.
BESIDE_A_QUESTION = ("passage", "context", "choices", "options")


@dataclass(frozen=True)
class DatasetInfo:
    """What a model has to know of a data set before it sees a row of it."""

    world_name: str
    alphabet: str  # every character, sorted
    longest: int  # characters of the longest prompt and completion together


def read_dataset(dataset: str) -> dict[str, list[Pair]]:
    """The (prompt, completion) pairs of each split there is, in order.

    Questions are read as well: the columns `question` and `answer`.

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
    path = Path(dataset)
    without_ending = path.name[: -len(_kind(path))] if _kind(path) else path.stem
    return (without_ending if path.is_file() else path.name) or "data"


def is_ours(dataset: str) -> bool:
    """Whether this is a folder that `generate` wrote."""
    return (Path(dataset) / MANIFEST).is_file()


def _local_pairs(path: Path) -> dict[str, list[Pair]]:
    """The pairs of a file, all of them to train on, or of `train.jsonl`, … in a folder.

    Empty where there is none that is read directly.
    """
    if path.is_file():
        files = {"train": path} if _kind(path) else {}
    else:
        files = {split: file for split in NAMES if (file := _split_file(path, split))}
    if "train" not in files:
        return {}
    return {split: _pairs(READERS[_kind(file)](file), str(file)) for split, file in files.items()}


def _split_file(folder: Path, split: str) -> Path | None:
    """The first of the files that can be meant, in the order of `READERS` and `NAMES`."""
    there = {file.name.lower(): file for file in folder.glob("*") if file.is_file()}
    names = (f"{name}{kind}" for kind in READERS for name in NAMES[split])
    return next((there[name] for name in names if name in there), None)


def _kind(file: Path) -> str:
    """The ending by which a file is read directly; empty where there is none."""
    name = file.name.lower()
    return next((kind for kind in READERS if name.endswith(kind)), "")


def _json_rows(file: Path) -> Rows:
    rows = read_json(file)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ExperimentError(
            f"{file} is no list of JSON objects",
            "write one, or an object a line into a file that ends in .jsonl",
        )
    return rows


def _csv_rows(file: Path) -> Rows:
    """Rows of the header's length; between the columns is a comma, a semicolon or a tab."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
            lines.seek(0)
            mark = next((mark for mark in ",;\t" if mark in first), ",")
            table = csv.reader(lines, delimiter=mark, strict=True)
            columns = next(table, [])
            rows = [(table.line_num, row) for row in table if row]
    except (OSError, ValueError, csv.Error) as error:
        raise ExperimentError(
            f"{file} can't be read as CSV ({error})", "save it again, in UTF-8"
        ) from None
    twice = [name for name, times in Counter(columns).items() if times > 1]
    if twice:
        raise ExperimentError(f"{file} has the column {twice[0]} twice", "rename or remove one")
    for number, row in rows:
        if len(row) != len(columns):
            raise ExperimentError(
                f"{file}, line {number} has {counted(len(row), 'column')}, and the header "
                f"{len(columns)}",
                'put a text with a comma in quotes: "1,0,0"',
            )
    return [dict(zip(columns, row, strict=True)) for _, row in rows]


READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": read_jsonl,
    ".jsonl.gz": read_jsonl,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
}


def _other_pairs(dataset: str) -> dict[str, list[Pair]]:
    """The pairs of anything that `datasets` can load: local, or the hub's.

    The network is used only for a name that can be no local path.
    """
    path = Path(dataset)
    kinds = (*READERS, PARQUET)
    if path.is_file() and not path.name.lower().endswith(kinds):
        raise ExperimentError(f"{path} is no data set", f"give a file of {', '.join(kinds)}")
    hub_name = len(path.parts) == 2 and not path.is_absolute() and not path.parent.is_dir()
    if not path.exists() and (path.name.lower().endswith(kinds) or not hub_name):
        raise ExperimentError(f"no dataset in {dataset}", "run `the-experiment generate`")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        splits = _loaded(path, dataset)
    except Exception as error:  # datasets raises many kinds; all mean that it can't be read
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ExperimentError(
            f"{dataset} can't be read as a data set ({first_line})",
            "give a folder that `the-experiment generate` wrote, or a data set with the columns "
            "prompt and completion",
        ) from None
    return {split: _pairs(rows, f"{dataset}, {split}") for split, rows in splits.items()}


def _loaded(path: Path, dataset: str) -> dict[str, Rows]:
    import datasets

    datasets.disable_progress_bars()
    if path.is_file():
        loaded = datasets.load_dataset("parquet", data_files={"train": dataset})
    elif (path / "dataset_dict.json").is_file():
        loaded = datasets.load_from_disk(dataset)
    elif (path / "state.json").is_file():  # `save_to_disk` of one split leaves this
        loaded = {"train": datasets.load_from_disk(dataset)}
    else:
        loaded = datasets.load_dataset(dataset)
    return {
        split: loaded[name].to_list()
        for split, names in NAMES.items()
        for name in names
        if name in loaded
    }


def _pairs(rows: Rows, where: str) -> list[Pair]:
    columns = list(dict.fromkeys(key for row in rows[:1] for key in row))
    if {"question", "answer"} <= {*columns} and not {"prompt", "completion"} & {*columns}:
        unread = [name for name in columns if name.lower() in BESIDE_A_QUESTION]
        if unread:
            raise ExperimentError(
                f"{where} has a column {unread[0]}, which would not be trained on",
                "write it into the question, or name the columns prompt and completion",
            )
        rows, columns = [_asked(row) for row in rows], ["prompt", "completion"]
    missing = [key for key in ("prompt", "completion") if rows and key not in columns]
    if missing:
        raise ExperimentError(
            f"{where} has no column {' or '.join(missing)} (it has {', '.join(columns)})",
            "name the columns prompt and completion, or question and answer",
        )
    return [(row["prompt"], row["completion"]) for row in checked_rows(rows, where)]


def _asked(row: dict[str, Any]) -> dict[str, Any]:
    """A question as a row: a blank and its answer complete it, as words, `yes` or `no`."""
    answer = row.get("answer")
    written = in_words(answer) if isinstance(answer, bool | int) else answer
    completion = f" {written}" if isinstance(written, str) else None
    return {"prompt": row.get("question"), "completion": completion}
