"""The configuration of a training. Defaults that the command shares are in base/defaults.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from the_experiment.base import defaults
from the_experiment.base.choices import Device, Loss, PrecisionChoice, Size
from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_text
from the_experiment.base.problems import first_problem

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
                    f"--deterministic can't go with --{name} {getattr(self, name)}",
                    f"it is --{name} {value}: leave one of them out",
                )
        return self

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> TrainConfig:
        if self.width % self.heads:
            raise UsageError(
                f"a width of {self.width} can't be shared by {self.heads} heads",
                "choose a --width that is a multiple of --heads",
            )
        return self


def _problem(error: yaml.YAMLError | ValidationError) -> str:
    if isinstance(error, yaml.YAMLError):
        return "fix its YAML: " + " ".join(str(error).split())
    first = first_problem(error)
    return f"fix {first.key or 'its form'}: {first.what}"
