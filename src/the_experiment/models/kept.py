"""Models that stay in memory between questions, until they are let go."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import ClassVar

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base import defaults
from the_experiment.base.choices import Device, Dtype
from the_experiment.models.pretrained import find_model, load_pretrained, which_weights

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class KeptModels:
    """The models in this process's memory; one is loaded again if its folder has other weights."""

    _kept: ClassVar[dict[tuple[Path, Device, Dtype], tuple[str, str, Loaded]]] = {}

    def __init__(self, out: Path = Path(defaults.OUT)) -> None:
        self.out = out  # where runs are looked for by name

    def loaded(
        self, name: str, device: Device = "auto", dtype: Dtype = "auto", *, alone: bool = False
    ) -> Loaded:
        """Model and tokenizer; `alone`: all others are let go. Raises as `load_pretrained` does."""
        folder = find_model(name, self.out)
        weights, key = which_weights(folder), (folder, device, dtype)
        if self._kept.get(key, ("",))[0] != weights:
            self._let_go([key, *self._kept] if alone else [key])  # the next one needs the room
            self._kept[key] = (weights, str(name), load_pretrained(folder, device, dtype))
        return self._kept[key][-1]

    def names(self) -> list[str]:
        """The models in memory."""
        return sorted({name for _, name, _ in self._kept.values()})

    def unload(self, name: str) -> None:
        """Let go of this model, and give its memory back."""
        self._let_go([key for key, (_, kept, _) in self._kept.items() if kept == str(name)])

    def _let_go(self, keys: list[tuple[Path, Device, Dtype]]) -> None:
        for key in keys:
            self._kept.pop(key, None)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
