"""Architectures by name, and the width at which one has the parameters asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from the_experiment.base import defaults
from the_experiment.base.defaults import Size
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.registry import Registry

REFERENCE = "gpt2"  # the model whose parameters the others match
LARGEST_WIDTH = 8192
ALIGNED = 4  # widths that processors like
CLOSE = 0.05  # of the parameters asked for


@dataclass(frozen=True)
class Shape:
    """What a model needs to know of its texts, and how large it is.

    `layers` and `heads` are GPT-2's; a model that has none may leave them alone.
    """

    vocabulary: int  # tokens
    positions: int  # tokens of the longest text
    width: int = defaults.WIDTH
    layers: int = defaults.LAYERS
    heads: int = defaults.HEADS
    pad: int = 0  # token ids
    eos: int = 1


@dataclass(frozen=True)
class Architecture:
    """A transformers configuration for every shape, and which widths and sizes it comes in."""

    configure: Callable[[Shape], PreTrainedConfig]
    step: int  # widths have to be multiples of this
    original_ratio: float  # parameters as a multiple of GPT-2's under `--size original`


ARCHITECTURES: Registry[Architecture] = Registry(
    "model", "the_experiment.models.shipped", "the_experiment.models"
)


def architecture(
    name: str, *, step: int = 1, original_ratio: float = 1.0
) -> Callable[[Callable[[Shape], PreTrainedConfig]], Callable[[Shape], PreTrainedConfig]]:
    """Decorator: the function below it, from shape to configuration, is an architecture."""

    def add(configure: Callable[[Shape], PreTrainedConfig]) -> Callable[[Shape], PreTrainedConfig]:
        ARCHITECTURES.register(name)(Architecture(configure, step, original_ratio))
        return configure

    return add


def positions_for(longest: int) -> int:
    """Room for the longest text and its end token, at least 64, a multiple of 8.

    >>> positions_for(24), positions_for(64)
    (64, 72)
    """
    return max(64, -(-(longest + 1) // 8) * 8)


def build(name: str, shape: Shape, size: Size = "match") -> PreTrainedModel:
    """A freshly initialised model from torch's global random state.

    `shape` is that of the GPT-2 to compare with; another model gets the width at which its
    parameters come closest to GPT-2's (`match`), or to its multiple of them (`seed`).
    Raises `UsageError` for an unknown name, and `ExperimentError` where no width comes close.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_config(configuration(name, shape, size))
    return model


def configuration(name: str, shape: Shape, size: Size = "match") -> PreTrainedConfig:
    """The configuration that `build` makes a model of."""
    chosen = ARCHITECTURES[name]
    reference = ARCHITECTURES[REFERENCE].configure(shape)
    if name == REFERENCE:
        return reference
    target = round(parameters(reference) * (chosen.original_ratio if size != "match" else 1.0))
    width = _width(chosen, shape, target)
    if not width:
        raise ExperimentError(
            f"no width of {name} comes within {CLOSE:.0%} of {target:,} parameters, GPT-2's",
            "choose a larger --width",
        )
    return chosen.configure(replace(shape, width=width))


def configured(settings: Mapping[str, Any], shape: Shape) -> PreTrainedModel:
    """A freshly initialised model of any transformers configuration, for texts of this shape.

    `settings` has a `model_type`, and all that is not as transformers has it by default. Raises
    `UsageError` for what transformers refuses.

    >>> settings = {"model_type": "gpt_neox", "hidden_size": 8, "num_attention_heads": 2}
    >>> configured(settings | {"num_hidden_layers": 1}, Shape(5, 64)).config.vocab_size
    5
    """
    texts = {
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "pad_token_id": shape.pad,
        "bos_token_id": shape.eos,
        "eos_token_id": shape.eos,
    }
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(**{**settings, **texts})
        )
    except (ValueError, TypeError) as error:  # among them huggingface_hub's validation errors
        raise UsageError(
            f"no model can be built from {dict(settings)} ({error})",
            "see the configuration of its `model_type` in the documentation of transformers",
        ) from None
    return model


def parameters(config: PreTrainedConfig) -> int:
    """How many parameters a model of this configuration has; none of them is made."""
    with torch.device("meta"):
        return count(AutoModelForCausalLM.from_config(config))


def count(model: PreTrainedModel) -> int:
    """The parameters of a model, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _width(chosen: Architecture, shape: Shape, target: int) -> int:
    """The width whose parameter count is nearest to `target`; 0 where none is within 5%.

    A multiple of `ALIGNED`, unless none comes that close.
    """

    def size(width: int) -> int:
        return parameters(chosen.configure(replace(shape, width=width)))

    for step in (math.lcm(ALIGNED, chosen.step), chosen.step):
        nearest = _nearest(size, target, step)
        if abs(size(nearest) - target) <= CLOSE * target:
            return nearest
    return 0


def _nearest(size: Callable[[int], int], target: int, step: int) -> int:
    """By bisection: sizes grow with the width."""
    low, high = 1, LARGEST_WIDTH // step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle * step) <= target else (low, middle)
    return min(low * step, high * step, key=lambda width: abs(size(width) - target))
