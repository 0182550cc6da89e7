"""The folders of traces: named once, written whole, with a manifest; puzzles drawn into one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.base.files import replaced_folder, sha256, write_json
from the_experiment.base.names import refuse_no_name
from the_experiment.base.runs import TRACES
from the_experiment.data.trace_rows import PUZZLES, questions_in
from the_experiment.worlds.causal.drawing import SIZES, draw_puzzles
from the_experiment.worlds.causal.graphs import NAMINGS

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


@dataclass(frozen=True)
class PuzzleRequest:
    """What is drawn; see `draw_puzzles`. No kinds are all of them.

    No puzzle is drawn that shares its graph, or the component of it that it asks about, with one in
    the files or folders `without`.
    """

    count: int
    seed: int
    kinds: Sequence[str] = ()
    sizes: Sequence[int] = SIZES
    naming: Sequence[str] = NAMINGS
    without: Sequence[str] = ()


def generate_puzzles(request: PuzzleRequest, folder: Path) -> Path:
    """Draw puzzles and write them into a new folder, whole or not at all; the same seed gives the
    same bytes. Raises `UsageError` as `draw_puzzles` does, and for files that can't be read.
    """
    seen = {
        shape for path in request.without for _, one in questions_in(Path(path)) for shape in one
    }
    puzzles = draw_puzzles(
        request.count, request.seed, request.kinds, request.sizes, request.naming, seen
    )
    rows = [puzzle.model_dump(mode="json", exclude_defaults=True) for puzzle in puzzles]
    yes_or_no = Counter(puzzle.answer for puzzle in puzzles if puzzle.asks == "yes-no")
    told = {
        **asdict(request),
        "graphs": len({puzzle.graph for puzzle in puzzles}),
        "counts": counts(rows),
        "yes_or_no": dict(sorted(yes_or_no.items())),
    }
    with replaced_folder(folder) as new:
        write_rows(new / PUZZLES, rows)
        write_manifest(new, told)
    return folder
