"""A folder in which the results of cells land, whole or not at all; all of them as one table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import Field, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import (
    is_locked,
    locked,
    read_json,
    read_text,
    replaced_file,
    write_json,
    write_text,
)
from the_experiment.base.strict import Strict
from the_experiment.engine.cell import Cell, canonical

JSONL, PARQUET = "cells.jsonl", "cells.parquet"
CELLS = "cells"  # the store of an experiment, in its folder


class Landed(Strict):
    """A cell's file."""

    name: str
    identity: dict[str, Any]
    sha256: str  # of the result
    result: Any
    sizes: dict[str, int] = Field({})  # of the files that it keeps, in bytes

    def why_not(self, cell: Cell) -> str:
        """Why this is not what the cell gave; empty where it is."""
        if canonical(self.identity) != canonical(cell.identity):
            return "belongs to another cell"
        return "" if self.sha256 == _sha256(self.result) else "was changed"


class NotThereError(ExperimentError):
    """A cell was not computed yet."""


class Store:
    """Results by cell. A torn, changed or foreign file is told, and counts for nothing.

    >>> import tempfile
    >>> cell = Cell("one and two", "operator:add", {})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(Path(folder))
    ...     store.result(cell, lambda: 3), cell in store, store.read(cell)
    (3, True, 3)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned: set[Path] = set()
        self._journal_read = 0  # bytes

    def path(self, cell: Cell) -> Path:
        """The file of a cell, there or not; another experiment may have given it another name."""
        own = self.folder / f"{cell.key}.json"
        if own.is_file():
            return own
        other = self.folder / self._names.get(cell.digest, own.name)
        return other if other.is_file() else own

    @cached_property
    def _names(self) -> dict[str, str]:
        """Of files, by the digest of their cell: those that are there by now."""
        self._journal_read = self._journal.stat().st_size if self._journal.is_file() else 0
        return {_digest_in(path.name): path.name for path in self.folder.glob("*.json")}

    def _hear_of_new_names(self) -> None:
        """Read what processes wrote of what landed since; to list a large folder takes long."""
        names = self._names
        if self._journal.is_file():
            with self._journal.open("rb") as journal:
                journal.seek(self._journal_read)
                whole, end, _ = journal.read().rpartition(b"\n")
            self._journal_read += len(whole + end)
            written = whole.decode("utf-8", "replace").split("\n")
            there = (name for name in written if name and (self.folder / name).is_file())
            names.update({_digest_in(name): name for name in there})

    @property
    def _journal(self) -> Path:
        return self.folder / ".landed"

    def __contains__(self, cell: Cell) -> bool:
        return self._landed(cell) is not None

    def read(self, cell: Cell) -> Any:
        """The result of a cell. Raises `NotThereError`."""
        landed = self._landed(cell) or self._landed_meanwhile(cell)
        if landed is None:
            raise NotThereError(
                f"{cell.name} is not computed yet",
                "run the experiment; a cell whose inputs changed is computed again",
            )
        return self._with_folder(cell, landed)

    def landed(self) -> Iterator[tuple[str, Landed]]:
        """Every whole file of a cell there is, by its key; torn and changed ones are left out."""
        for path in sorted(self.folder.glob("*.json")):
            with suppress(ExperimentError, ValidationError):
                landed = Landed.model_validate(read_json(path))
                if landed.sha256 == _sha256(landed.result):
                    yield path.stem, landed

    def files(self, cell: Cell) -> Path:
        """The folder of what a cell keeps beside its result."""
        return self.path(cell).with_suffix("")

    def log(self, cell: Cell) -> Path:
        """Where the traceback of a failure is written."""
        return self.folder / "logs" / f"{cell.key}.log"

    def is_computed_now(self, cell: Cell) -> bool:
        """Whether a process is computing it."""
        return is_locked(self._lock(cell))

    @contextmanager
    def cluster_at_work(self) -> Iterator[Callable[[int], None]]:
        """While a cluster computes cells; the function that it gives writes down how many now.

        One file for all: a lock for each of a thousand cells would be a thousand open files.
        """
        with locked(self._cluster_lock, "runs on a cluster"):
            write_text(self._on_cluster, "0")
            yield lambda number: write_text(self._on_cluster, str(number))

    def running_on_cluster(self) -> int:
        """How many cells a cluster computes for a process that runs now."""
        if not is_locked(self._cluster_lock) or not self._on_cluster.is_file():
            return 0
        return int(read_text(self._on_cluster))

    @property
    def _on_cluster(self) -> Path:
        return self.folder / ".on-cluster"

    @property
    def _cluster_lock(self) -> Path:
        return self.folder / ".on-cluster.lock"

    def _lock(self, cell: Cell) -> Path:
        return self.folder / f".{cell.digest}.lock"

    def compute(self, cell: Cell) -> Any:
        """The result of a cell, computed from what it needs if it is not there.

        Raises `NotThereError` where what it needs is not there.
        """

        def call() -> Any:
            needed = {name: self.read(one) for name, one in cell.needs.items()}
            if cell.keeps_files:
                needed["folder"] = self.files(cell)
                self.files(cell).mkdir(parents=True, exist_ok=True)
            return cell.compute(needed)

        return self.result(cell, call)

    def result(self, cell: Cell, compute: Callable[[], Any]) -> Any:
        """The result of a cell, computed if it is not there; by one process if several want it."""
        landed = self._landed(cell)
        if landed is None:
            lock = self._lock(cell)
            with locked(lock, f"computes {cell.name}"):
                landed = self._landed_meanwhile(cell) or self._land(cell, compute())
                lock.unlink(missing_ok=True)  # who waits finds the result
        return self._with_folder(cell, landed)

    def _with_folder(self, cell: Cell, landed: Landed) -> Any:
        return (
            {**landed.result, "folder": str(self.files(cell))}
            if cell.keeps_files
            else landed.result
        )

    def _land(self, cell: Cell, result: Any) -> Landed:
        result = json.loads(canonical(result))  # as it will be read
        landed = Landed(
            name=cell.name,
            identity=cell.identity,
            sha256=_sha256(result),
            result=result,
            sizes=_sizes(self.files(cell)) if cell.keeps_files else {},
        )
        write_json(self.path(cell), landed.model_dump())
        with suppress(OSError), self._journal.open("a", encoding="utf-8") as journal:
            journal.write(f"\n{self.path(cell).name}\n")  # whatever a full disk left before
        return landed

    def _landed_meanwhile(self, cell: Cell) -> Landed | None:
        """As `_landed`, by the names of the files as they are now."""
        self._hear_of_new_names()
        return self._landed(cell)

    def _landed(self, cell: Cell) -> Landed | None:
        path = self.path(cell)
        if not path.is_file():
            return None
        try:
            landed = Landed.model_validate(read_json(path))
            why_not = landed.why_not(cell) or self._why_no_files(cell, landed)
        except (ExperimentError, ValidationError):
            why_not = "is incomplete"
        if not why_not:
            return landed
        if path not in self._warned:
            logger.warning("{} {}: it is computed again", path, why_not)
            self._warned.add(path)
        return None

    def _why_no_files(self, cell: Cell, landed: Landed) -> str:
        """Why the files that a cell kept are not those that it wrote; empty where they are."""
        there = _sizes(self.files(cell)) if cell.keeps_files else {}
        lost = [name for name, size in landed.sizes.items() if there.get(name) != size]
        return f"has lost {lost[0]}" if lost else ""


def _digest_in(name: str) -> str:
    return name.removesuffix(".json").rpartition("-")[2]


def _sizes(folder: Path) -> dict[str, int]:
    """The size of each file in a folder, in bytes, by its path there."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(files)}


def _sha256(result: Any) -> str:
    return hashlib.sha256(canonical(result).encode()).hexdigest()


def write_table(store: Store, folder: Path) -> None:
    """Write a row for each cell that is computed, as JSONL and as Parquet with the same columns.

    `arguments` and `result` are JSON texts, as cells differ: in DuckDB, `result->>'$.steps'`.
    `needs` are ends of other cells' keys.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "name": landed.name,
            "key": key,
            "function": landed.identity["function"],
            "arguments": canonical(landed.identity["arguments"]),
            "needs": list(landed.identity["needs"].values()),
            "result": canonical(landed.result),
        }
        for key, landed in store.landed()
    ]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / JSONL, "".join(lines))
    texts = [(name, pa.string()) for name in ("name", "key", "function", "arguments")]
    schema = pa.schema([*texts, ("needs", pa.list_(pa.string())), ("result", pa.string())])
    with replaced_file(folder / PARQUET) as path:
        pq.write_table(pa.Table.from_pylist(rows, schema), path)
