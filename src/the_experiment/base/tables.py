"""Rows as files have them: JSON lines, JSON, CSV, Parquet, and what `save_to_disk` leaves.

Texts stay as they are written. That is why `datasets` reads its own folders only: it makes dates
or numbers of texts that look like them.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError, UsageError, first_line
from the_experiment.base.files import read_json, read_jsonl
from the_experiment.base.words import counted

Row = dict[str, Any]

ON_DISK = "state.json"  # what `Dataset.save_to_disk` leaves
SPLITS_ON_DISK = "dataset_dict.json"  # the same of several splits


@dataclass(frozen=True)
class TableFile:
    """The rows of a file, and where it has lines, the one in which each ends."""

    path: Path
    rows: Sequence[Row]
    lines: Sequence[int] = ()

    def where(self, number: int) -> str:
        """The file and the place of row `number`, counted from 0."""
        place = f"line {self.lines[number]}" if self.lines else f"row {number + 1}"
        return f"{self.path}, {place}"

    def placed(self) -> list[tuple[str, Row]]:
        """Each row after its place."""
        return [(self.where(number), row) for number, row in enumerate(self.rows)]


def read_table(path: Path) -> TableFile:
    """The rows of a file of any kind in `READERS`, or of a folder that `save_to_disk` wrote.

    Raises `UsageError` for anything else, and `ExperimentError` for a file that is torn, not in
    UTF-8, or not what its ending says.
    """
    if (path / ON_DISK).is_file():
        return TableFile(path, _on_disk(path))
    if (path / SPLITS_ON_DISK).is_file():
        splits = sorted(str(one.parent) for one in path.glob(f"*/{ON_DISK}"))
        raise UsageError(f"{path} has several splits", f"give one of them: {', '.join(splits)}")
    if not path.exists():
        raise UsageError(f"there is no file {path}", f"give one of {KINDS}")
    kind = format_of(path)
    if not path.is_file() or not kind:
        raise UsageError(f"{path} is not a file of rows", f"give one of {KINDS}")
    return READERS[kind](path)


def format_of(path: Path) -> str:
    """The ending by which a file is read; empty where there is none."""
    name = path.name.lower()
    return next((kind for kind in READERS if name.endswith(kind)), "")


def _lines(file: Path) -> TableFile:
    rows = read_jsonl(file)
    return TableFile(file, rows, range(1, len(rows) + 1))


def _json(file: Path) -> TableFile:
    rows = read_json(file)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ExperimentError(
            f"{file} is not a list of JSON objects",
            "write a list, or one object per line in a .jsonl file",
        )
    return TableFile(file, rows)


def _csv(file: Path) -> TableFile:
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
    return TableFile(
        file,
        [dict(zip(columns, row, strict=True)) for _, row in rows],
        [number for number, _ in rows],
    )


def _parquet(file: Path) -> TableFile:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(file).read()
    except (OSError, pyarrow.ArrowException) as error:
        raise ExperimentError(
            f"{file} can't be read as Parquet ({first_line(error)})", "write it again"
        ) from None
    return TableFile(file, table.to_pylist())


def _on_disk(folder: Path) -> list[Row]:
    import datasets

    try:
        return list(datasets.load_from_disk(str(folder)).to_list())
    except Exception as error:  # datasets raises many kinds; all mean that it can't be read
        raise ExperimentError(
            f"{folder} can't be read as a `save_to_disk` folder ({first_line(error)})",
            "save it again",
        ) from None


READERS: dict[str, Callable[[Path], TableFile]] = {
    ".jsonl": _lines,
    ".jsonl.gz": _lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
KINDS = ", ".join(READERS)
