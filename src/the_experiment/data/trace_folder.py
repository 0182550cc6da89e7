"""The folders of traces: named once, written whole, with a manifest of what is in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.base.files import sha256, write_json
from the_experiment.base.names import refuse_no_name
from the_experiment.base.runs import TRACES

MANIFEST = "manifest.json"
COUNTED = ("kind", "size", "naming")

Columns = Mapping[str, Any]


def traces_folder(name: str, out: Path) -> Path:
    """Where traces of a new name are written. Raises `UsageError` for a name that is taken."""
    refuse_no_name("traces", name)
    folder = out / TRACES / name
    if folder.exists():
        raise UsageError(f"{folder} already exists", "choose another name, or remove it")
    return folder


def source_of(name: str, out: Path) -> Path:
    """What lies at a path, or the traces of that name."""
    return out / TRACES / name if (out / TRACES / name).is_dir() else Path(name)


def write_rows(path: Path, rows: Iterable[Columns]) -> None:
    """Write a JSON object a line, the same bytes everywhere."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_manifest(folder: Path, told: Columns) -> None:
    """Write what is told, with the hashes of the rows and the versions that they are from."""
    files = {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*.jsonl")}
    versions = {name: version(name) for name in ("the-experiment", "numpy")}
    write_json(
        folder / MANIFEST, {**told, "sha256": dict(sorted(files.items())), "versions": versions}
    )


def counts(rows: Iterable[Columns]) -> dict[str, dict[str, int]]:
    """How many rows there are of each kind, size and naming, as far as they tell.

    >>> counts([{"size": 4}, {"size": 4, "kind": "chain"}])
    {'kind': {'chain': 1}, 'size': {'4': 2}, 'naming': {}}
    """
    found: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
    for row in rows:
        for name in COUNTED:
            if name in row:
                found[name][str(row[name])] += 1
    return {name: dict(sorted(numbers.items())) for name, numbers in found.items()}
