"""The small things a world is told in: domains of inputs, and parts held against the rules."""

from __future__ import annotations

from dataclasses import dataclass

EXACT = "exact"  # what measures call the whole completion: no part has that name


@dataclass(frozen=True)
class Domain:
    """The whole numbers from `low` to `high`, both included; a boolean is 0 or 1."""

    low: int
    high: int
    boolean: bool = False

    def __str__(self) -> str:
        return "bool" if self.boolean else f"{self.low}..{self.high}"

    @property
    def in_words(self) -> str:
        """What a value of it is: `0 or 1`, or `one of 0..9`."""
        return "0 or 1" if self.boolean else f"one of {self}"

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1


@dataclass(frozen=True)
class PartGrade:
    """One part of a completion: what was written (None: missing) and what the rules say."""

    written: int | None
    expected: int

    @property
    def correct(self) -> bool:
        """Whether the part is what the rules say."""
        return self.written == self.expected


@dataclass(frozen=True)
class Grade:
    """A completion graded against the rules; `exact` means equal to the last character."""

    exact: bool
    parts: dict[str, PartGrade]
