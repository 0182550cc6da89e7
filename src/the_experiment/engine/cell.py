"""A cell: the smallest piece of work, which lands whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A call of a plain function, and everything that its result depends on.

    `function` is `package.module:name`. It is called with `arguments`, with `where`, and for each
    cell in `needs` with that one's result under its name there; it returns what JSON can hold.
    One that `keeps_files` is also called with `folder`, where what it writes stays, through killed
    attempts too; it returns a dict, and whoever needs it finds that folder in it as `folder`.
    Cells that agree in all but name and `where` are the same cell, whatever experiment asks
    for them. A function that has moved is `known_as` what it was called when its results landed.

    >>> half = Cell("half of 8", "operator:floordiv", {"a": 8, "b": 2})
    >>> half == Cell("a half", "operator:floordiv", {"b": 2, "a": 8}), half.key
    (True, 'half-of-8-1f8d27f079c9')
    """

    name: str = field(compare=False)  # for people
    function: str = field(compare=False)
    arguments: Mapping[str, Any] = field(compare=False)  # as JSON
    needs: Mapping[str, Cell] = field(default_factory=dict, compare=False)
    where: Mapping[str, Any] = field(default_factory=dict, compare=False)  # to find what is named
    revision: int = field(default=1, compare=False)  # raised when the function's results change
    known_as: str = field(default="", compare=False)  # the function's first name, once it has moved
    keeps_files: bool = field(default=False, compare=False)
    cores: int = field(default=1, compare=False)  # that it takes of a machine
    digest: str = field(init=False)  # of its identity

    def __post_init__(self) -> None:
        digest = hashlib.sha256(canonical(self.identity).encode()).hexdigest()
        object.__setattr__(self, "digest", digest[:12])

    @property
    def key(self) -> str:
        """A readable name for its file."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.name).strip("-").lower()[:80]
        return f"{slug}-{self.digest}"

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes it this cell and no other."""
        return {
            "function": self.known_as or self.function,
            "revision": self.revision,
            "arguments": self.arguments,
            "needs": {name: cell.digest for name, cell in self.needs.items()},
        }

    def compute(self, needed: Mapping[str, Any]) -> Any:
        """Call the function; `needed` has the result of each cell in `needs`, and `folder`."""
        module, name = self.function.split(":")
        return getattr(import_module(module), name)(**self.arguments, **self.where, **needed)


def canonical(value: Any) -> str:
    """JSON in which equal values have equal texts. Raises `TypeError` for what JSON can't hold."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
