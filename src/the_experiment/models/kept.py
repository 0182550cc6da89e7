"""Models that stay in memory between questions, until they are let go."""

from __future__ import annotations

import gc
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base import defaults
from the_experiment.base.choices import Device, Dtype
from the_experiment.models.pretrained import find_model, load_pretrained, which_weights

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class KeptModels:
    """Each model is loaded when it is first asked for; again if its folder holds other weights."""

    def __init__(self, out: Path = Path(defaults.OUT)) -> None:
        self.out = out  # where runs are looked for by name
        self._kept: dict[tuple[str, Device, Dtype], tuple[str, Loaded]] = {}

    def loaded(self, name: str, device: Device = "auto", dtype: Dtype = "auto") -> Loaded:
        """Model and tokenizer. Raises what `load_pretrained` raises."""
        folder = find_model(name, self.out)
        weights, key = which_weights(folder), (str(name), device, dtype)
        if key not in self._kept or self._kept[key][0] != weights:
            self._kept.pop(key, None)  # before the next one needs its room
            self._kept[key] = (weights, load_pretrained(folder, device, dtype))
        return self._kept[key][1]

    def names(self) -> list[str]:
        """The models in memory."""
        return sorted({name for name, _, _ in self._kept})

    def unload(self, name: str) -> None:
        """Let go of this model, and give its memory back."""
        self._kept = {key: one for key, one in self._kept.items() if key[0] != str(name)}
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
