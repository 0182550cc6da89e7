"""Causality traces: does it help a model to be shown why? Each arm tuned on one base, and asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from the_experiment.base.errors import require_packages
from the_experiment.base.runs import TRACES
from the_experiment.base.strict import Setting, Single, Strict
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome
from the_experiment.experiments.experiment import KINDS, Experiment


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
    architecture: dict[str, Setting] = small_lfm2(width=128, blocks=2)  # as transformers has it
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
    tune: dict[str, Single] = Field({"learning_rate": 2e-3, "batch_size": 16, "accumulate": 1})


FULL = TraceScale(
    puzzles=24_000,
    kinds=(),
    asked=1_000,
    base=BaseScale(puzzles=60_000, architecture=small_lfm2(width=256, blocks=4), epochs=4),
)
QUICK = TraceScale()


@KINDS.register("traces")
class TracesExperiment(Experiment):
    """Puzzles about causes, a base, and a model for each arm of the rows made of them."""

    parent: ClassVar[str] = TRACES

    kind: Literal["traces"] = "traces"
    full: TraceScale = FULL
    quick: TraceScale = QUICK

    def scale(self, *, quick: bool) -> TraceScale:
        """How large it is run."""
        return self.quick if quick else self.full

    def summary(self) -> Mapping[str, str]:
        """How many puzzles there are, of which kinds and sizes."""
        scales = {"in full": self.full, "--quick": self.quick}
        return {name: _planned(scale) for name, scale in scales.items()}

    def check_models(self) -> None:
        """Raise `ExperimentError` where what it is made with is not installed."""
        require_packages("trl", "peft", "accelerate", "networkx")

    def cells(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:  # noqa: ARG002 - trained here
        """The puzzles, and what each model answers to each set of them."""
        from the_experiment.experiments.traces.cells import cells_of

        return cells_of(self.scale(quick=quick))

    def outcome(self, results: Mapping[Any, Any], *, quick: bool) -> Outcome:  # noqa: ARG002
        """What is right by set and kind, and whether the traces made a difference."""
        from the_experiment.experiments.traces.analysis import outcome_of
        from the_experiment.experiments.traces.cells import results_of

        return outcome_of(results_of(results), self.name)


def _planned(scale: TraceScale) -> str:
    kinds = ", ".join(scale.kinds) or "all kinds"
    sizes = ", ".join(map(str, scale.sizes))
    return (
        f"{counted(scale.puzzles, 'puzzle')} of {sizes} variables ({kinds}); a base that reads "
        f"{scale.base.puzzles:,}; {scale.asked} asked of each set"
    )
