"""The configuration of a tuning: which model goes on learning, from what, and how."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from the_experiment.base import defaults
from the_experiment.base.choices import Chat, Device, Loss, Method, PrecisionChoice
from the_experiment.training.config import Configuration


class TuneConfig(Configuration):
    """What is tuned, on what, and how. Its recipe is that of the report on Claire.

    `rows` and `valid` are JSONL files of `prompt` and `completion`. The learning rate rises over
    the first share of the steps (`warmup`), then falls to zero as a cosine.

    >>> config = TuneConfig(base="out/tiny-gpt2-causal", rows="train.jsonl")
    >>> config.batch_size * config.accumulate
    16
    """

    base: str  # a folder, a run by name, or a name on the hub
    rows: str
    valid: str | None = None  # never steers anything: its loss is told along the way
    method: Method = "lora"
    lora_rank: int = Field(64, ge=1)
    lora_alpha: int = Field(128, ge=1)  # what LoRA adds is multiplied by alpha / rank
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    learning_rate: float = Field(3e-4, gt=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    batch_size: int = Field(4, ge=1)  # rows of a forward
    accumulate: int = Field(4, ge=1)  # forwards of a step
    epochs: int = Field(1, ge=1)
    loss: Loss = "completion"
    chat: Chat = "auto"  # how a prompt is put, as in models/asking.py
    seed: int = defaults.SEED
    device: Device = "auto"
    precision: PrecisionChoice = "auto"
    threads: int = Field(defaults.THREADS, ge=1)
    checkpoint_every: int = Field(100, ge=1)  # steps


RECIPE = {
    *("method", "lora_rank", "lora_alpha", "lora_dropout", "learning_rate", "warmup"),
    *("weight_decay", "batch_size", "accumulate", "epochs", "loss"),
}


def _recipe(**other: Any) -> dict[str, Any]:
    return TuneConfig(base="", rows="", **other).model_dump(include=RECIPE)


PRESETS = {
    "claire": _recipe(),
    "claire-7b": _recipe(lora_rank=32, lora_alpha=64),  # the same for its largest model
}
