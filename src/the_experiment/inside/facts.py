"""What a model is, before anything is asked of it."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base.errors import ExperimentError
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.validation import validated
from the_experiment.models.architectures import count
from the_experiment.models.scoring import max_positions


def facts_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Its size, its tokens, and which sites it can be looked into at, or why not."""
    found: dict[str, Any] = {
        "type": model.config.model_type,
        "parameters": count(model),
        "dtype": str(model.dtype).removeprefix("torch."),
        "tokens": len(tokenizer),
        "positions": max_positions(model),
        "chat template": "yes" if tokenizer.chat_template else "no",
    }
    try:
        hooked = validated(HookedModel(model))
    except ExperimentError as error:
        return {**found, "can't be looked into": error.what}
    return {**found, "layers": hooked.layers, "sites": ", ".join(hooked.layout.sites)}
