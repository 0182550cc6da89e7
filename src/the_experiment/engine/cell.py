"""A cell: the smallest piece of work, which lands whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A call of a plain function, and everything that its result depends on.

    `function` is `package.module:name`; it is called with `arguments` and, for each cell in
    `needs`, with that one's result under its name there, and returns what JSON can hold. Cells that
    agree in all of this are the same cell, whatever experiment asks for them.

    >>> half = Cell("half of 8", "operator:floordiv", {"a": 8, "b": 2})
    >>> half == Cell("4", "operator:floordiv", {"b": 2, "a": 8}), half.key
    (True, 'floordiv-1f8d27f079c9')
    """

    name: str = field(compare=False)  # for people
    function: str
    arguments: Mapping[str, Any] = field(compare=False)  # as JSON
    needs: Mapping[str, Cell] = field(default_factory=dict, compare=False)
    revision: int = 1  # of the function: raised when it gives other results, and only then
    cores: int = field(default=1, compare=False)
    key: str = field(init=False)  # names its file

    def __post_init__(self) -> None:
        digest = hashlib.sha256(canonical(self.identity).encode()).hexdigest()
        object.__setattr__(self, "key", f"{self.function.rpartition(':')[2]}-{digest[:12]}")

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes it this cell and no other."""
        return {
            "function": self.function,
            "revision": self.revision,
            "arguments": self.arguments,
            "needs": {name: cell.key for name, cell in self.needs.items()},
        }

    def compute(self, needed: Mapping[str, Any]) -> Any:
        """Call the function; `needed` has the result of each cell in `needs`."""
        module, name = self.function.split(":")
        return getattr(import_module(module), name)(**self.arguments, **needed)


def canonical(value: Any) -> str:
    """JSON in which equal values have equal texts. Raises `TypeError` for what JSON can't hold."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
