"""A folder in which the results of cells land, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel, ConfigDict, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import alone, read_json, write_json
from the_experiment.engine.cell import Cell, canonical


class Landed(BaseModel):
    """A cell's file."""

    model_config = ConfigDict(extra="forbid")

    name: str
    identity: dict[str, Any]
    sha256: str  # of the result
    result: Any

    def why_not(self, cell: Cell) -> str:
        """Why this is not what the cell gave; empty where it is."""
        if canonical(self.identity) != canonical(cell.identity):
            return "is another cell's"
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
        self._told: set[Path] = set()

    def path(self, cell: Cell) -> Path:
        """The file of a cell, there or not; another experiment may have given it another name."""
        path = self.folder / f"{cell.key}.json"
        return path if path.is_file() else self._by_digest.get(cell.digest, path)

    @cached_property
    def _by_digest(self) -> dict[str, Path]:
        return {path.stem.rpartition("-")[2]: path for path in self.folder.glob("*.json")}

    def __contains__(self, cell: Cell) -> bool:
        return self._landed(cell) is not None

    def read(self, cell: Cell) -> Any:
        """The result of a cell. Raises `NotThereError`."""
        landed = self._landed(cell)
        if landed is None:
            raise NotThereError(f"{cell.name} is not computed yet", "run the experiment")
        return landed.result

    def result(self, cell: Cell, compute: Callable[[], Any]) -> Any:
        """The result of a cell, computed if it is not there; by one process if several want it."""
        landed = self._landed(cell)
        if landed is None:
            lock = self.folder / f".{cell.digest}.lock"
            with alone(lock, f"computes {cell.name}"):
                landed = self._landed(cell) or self._land(cell, compute())
                lock.unlink(missing_ok=True)  # who waits finds the result
        return landed.result

    def _land(self, cell: Cell, result: Any) -> Landed:
        result = json.loads(canonical(result))  # as it will be read
        landed = Landed(
            name=cell.name, identity=cell.identity, sha256=_sha256(result), result=result
        )
        write_json(self.path(cell), landed.model_dump())
        return landed

    def _landed(self, cell: Cell) -> Landed | None:
        path = self.path(cell)
        if not path.is_file():
            return None
        try:
            landed = Landed.model_validate(read_json(path))
            why_not = landed.why_not(cell)
        except (ExperimentError, ValidationError):
            why_not = "is not whole"
        if not why_not:
            return landed
        if path not in self._told:
            logger.warning("{} {}: it is computed again", path, why_not)
            self._told.add(path)
        return None


def _sha256(result: Any) -> str:
    return hashlib.sha256(canonical(result).encode()).hexdigest()
