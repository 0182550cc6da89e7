"""How large an experiment with traces is: in full, and with `--quick`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseScale(Strict):
    """How large the base is, and how much it reads."""

    puzzles: int = Field(16_000, ge=1)  # each told twice
    vocabulary: int = Field(800, ge=300)  # tokens: bytes and pieces of words
    row: int = Field(1_500, ge=1)  # characters that are read at once
    width: int = Field(128, ge=1)
    layers: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    epochs: int = Field(1, ge=1)
    batch_size: int = Field(4, ge=1)  # rows
    learning_rate: float = Field(2e-3, gt=0)


class TraceScale(Strict):
    """How many puzzles there are, of which graphs, and how models are tuned on them."""

    seed: int = 42
    puzzles: int = Field(5_000, ge=1)  # to be tuned on and tested
    sizes: tuple[int, ...] = (4, 5)  # variables
    naming: tuple[str, ...] = ("letters", "words")
    longer: tuple[int, ...] = (6, 7)
    renamed: tuple[str, ...] = ("nonsense",)
    asked: int = Field(240, ge=1)  # puzzles of each set
    test: float = Field(0.2, gt=0, lt=0.5)  # share of the graphs that nobody is trained on
    base: BaseScale = BaseScale()
    # Over the preset's settings: so small a base takes larger steps than those it was made for.
    tune: dict[str, Any] = {"learning_rate": 2e-3}


FULL = TraceScale(
    puzzles=12_000,
    asked=1_000,
    base=BaseScale(puzzles=60_000, width=256, layers=6, heads=8, epochs=4),
)
QUICK = TraceScale()


def scale(*, quick: bool) -> TraceScale:
    """How large it is run."""
    return QUICK if quick else FULL
