"""How large an experiment with traces is: in full, and with `--quick`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from the_experiment.base.strict import Strict


def small_lfm2(width: int, blocks: int) -> dict[str, Any]:
    """Layers in pairs: a short convolution, which sees two tokens back, then an attention.

    `width` is a multiple of 32, that of a head. Convolutions let it match names in the minutes
    that there are; what was tried is in docs/log.md.
    """
    return {
        "model_type": "lfm2",
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": 2 * blocks,
        "num_attention_heads": width // 32,
        "num_key_value_heads": width // 32,
        "block_auto_adjust_ff_dim": False,
        "layer_types": ["conv", "full_attention"] * blocks,
    }


class BaseScale(Strict):
    """How large the base is, and how much it reads."""

    puzzles: int = Field(24_000, ge=1)
    vocabulary: int = Field(800, ge=300)  # tokens: bytes and pieces of words
    row: int = Field(500, ge=1)  # characters that are read at once
    architecture: dict[str, Any] = small_lfm2(width=128, blocks=2)  # as transformers has it
    epochs: int = Field(1, ge=1)
    batch_size: int = Field(16, ge=1)  # rows
    learning_rate: float = Field(4e-3, gt=0)


class TraceScale(Strict):
    """How many puzzles there are, of which graphs, and how models are tuned on them."""

    seed: int = 42
    puzzles: int = Field(12_000, ge=1)  # to be tuned on and tested
    kinds: tuple[str, ...] = ("root-cause", "d-separation", "confounding", "chain")  # (): all
    sizes: tuple[int, ...] = (4, 5)  # variables
    naming: tuple[str, ...] = ("letters", "words")
    longer: tuple[int, ...] = (6, 7)
    renamed: tuple[str, ...] = ("nonsense",)
    asked: int = Field(240, ge=1)  # puzzles of each set
    test: float = Field(0.2, gt=0, lt=0.5)  # share of the graphs that nobody is trained on
    base: BaseScale = BaseScale()
    # Over the preset's settings: so small a base takes larger steps than those it was made for.
    # Sixteen rows at once are the preset's four times four, and faster where they are short.
    tune: dict[str, Any] = Field({"learning_rate": 2e-3, "batch_size": 16, "accumulate": 1})


FULL = TraceScale(
    puzzles=24_000,
    kinds=(),
    asked=1_000,
    base=BaseScale(puzzles=60_000, architecture=small_lfm2(width=256, blocks=4), epochs=4),
)
QUICK = TraceScale()


def scale(*, quick: bool) -> TraceScale:
    """How large it is run."""
    return QUICK if quick else FULL
