"""The configuration of a training from scratch, and of a fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from the_experiment.base import defaults
from the_experiment.base.defaults import Chat, Device, Loss, Method, PrecisionChoice, Size
from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_text
from the_experiment.base.strict import first_problem

DETERMINISTIC = {"device": "cpu", "precision": "fp32", "threads": 1}  # what it implies


class Configuration(BaseModel):
    """Values that say how something is trained. Frozen, without unknown keys, and goes to YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def checked(cls, **values: object) -> Self:
        """A configuration from single values. Raises `UsageError` that names a wrong one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError("this training configuration is wrong", _problem(error)) from None

    def to_yaml(self) -> str:
        """YAML with every key."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read `to_yaml`'s text, or any part of it. Raises `UsageError` that names the key."""
        try:
            return cls.model_validate(yaml.safe_load(text) or {})
        except (yaml.YAMLError, ValidationError) as error:
            raise UsageError("this training configuration is wrong", _problem(error)) from None

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a YAML file."""
        return cls.from_yaml(read_text(path))


class TrainConfig(Configuration):
    """What is trained, on what, and how. Round-trips through YAML.

    >>> TrainConfig.from_yaml(TrainConfig(model="rnn").to_yaml()).model
    'rnn'
    """

    model: str = defaults.MODEL
    dataset: str = defaults.DATASET
    size: Size = "match"
    width: int = Field(defaults.WIDTH, ge=1)  # of GPT-2, as are layers and heads
    layers: int = Field(defaults.LAYERS, ge=1)
    heads: int = Field(defaults.HEADS, ge=1)
    base: str | None = None  # goes on from this folder, run or hub name; None: a new model
    tokenizer: str | None = None  # a folder or hub name; None: one token a character
    epochs: int = Field(defaults.EPOCHS, ge=1)
    learning_rate: float = Field(defaults.LEARNING_RATE, gt=0)
    batch_size: int = Field(defaults.BATCH_SIZE, ge=1)
    loss: Loss = "all"
    until_fit: bool = False
    seed: int = defaults.SEED
    device: Device = "auto"
    precision: PrecisionChoice = "auto"
    threads: int = Field(defaults.THREADS, ge=1)
    deterministic: bool = False  # so that x86 processors with AVX2 give the same weights
    plain: bool = False  # transformers' own modules on the CPU too, so that hooks on them fire
    compiled: bool = False  # GPT-2's step on the CPU is one compiled program
    checkpoint_every: int = Field(defaults.CHECKPOINT_EVERY, ge=1)  # steps

    @model_validator(mode="before")
    @classmethod
    def _deterministic_leaves_nothing_open(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not values.get("deterministic"):
            return values
        left_open = {name for name in DETERMINISTIC if values.get(name, "auto") == "auto"}
        return values | {name: DETERMINISTIC[name] for name in left_open}

    @model_validator(mode="after")
    def _deterministic_is_one_way(self) -> TrainConfig:
        for name, value in DETERMINISTIC.items():
            if self.deterministic and getattr(self, name) != value:
                raise UsageError(
                    f"--deterministic can't be combined with --{name} {getattr(self, name)}",
                    f"it implies --{name} {value}: leave one of them out",
                )
        return self

    @model_validator(mode="after")
    def _compiled_is_its_own_way(self) -> TrainConfig:
        other = "plain" if self.plain else "deterministic" if self.deterministic else ""
        if self.compiled and other:
            raise UsageError(f"--compile can't be combined with --{other}", "leave one of them out")
        return self

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> TrainConfig:
        if self.width % self.heads:
            raise UsageError(
                f"a width of {self.width} is not divisible by {self.heads} heads",
                "choose a --width that is a multiple of --heads",
            )
        return self


def _problem(error: yaml.YAMLError | ValidationError) -> str:
    if isinstance(error, yaml.YAMLError):
        return "fix its YAML: " + " ".join(str(error).split())
    first = first_problem(error)
    return f"fix {first.key or 'its form'}: {first.what}"


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
