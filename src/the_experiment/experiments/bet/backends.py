"""What a bet asks of whatever trains and runs its models: a folder here, or an API far away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Bounds:
    """A natural-log probability between two ends; where it is known exactly they are equal.

    >>> Bounds(-2.0, -2.0).exact, Bounds(float("-inf"), -9.0).exact
    (True, False)
    """

    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Whether it is a number and no interval."""
        return self.low == self.high


class Backend(Protocol):
    """Trains a model on one arm's rows, and tells how likely it finds answers.

    The model before any tuning is a model like the others: `base` is its id.
    """

    @property
    def base(self) -> str:
        """The model that every arm begins with."""

    def tuned(self, arm: str, rows: Path, folder: Path) -> str:
        """Train on `rows`, or go on with what `folder` holds of it, and give the model's id.

        `rows` is a JSONL file of prompts and completions; what is needed to go on lies in `folder`.
        The id is a folder, or a name at an API. Raises `ExperimentError` where it can't be had.
        """

    def logprobs(self, model: str, asked: Sequence[tuple[str, str]]) -> list[Bounds]:
        """The log-probability of the whole answer to each (prompt, answer), in order."""
