"""Models that stay in memory between questions, until they are let go."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import ClassVar

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base import defaults
from the_experiment.base.choices import Device, Dtype
from the_experiment.base.runs import Run
from the_experiment.models.pretrained import find_model, load_pretrained, which_weights

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class KeptModels:
    """The models in this process's memory; one is loaded again if its folder has other weights."""

    _passing: ClassVar[set[tuple[Path, Device, Dtype]]] = set()  # until another passes
    _kept: ClassVar[dict[tuple[Path, Device, Dtype], tuple[str, str, Loaded]]] = {}

    def __init__(self, out: Path = Path(defaults.OUT)) -> None:
        self.out = out  # where runs are looked for by name

    def loaded(
        self, name: str, device: Device = "auto", dtype: Dtype = "auto", *, passing: bool = False
    ) -> Loaded:
        """Model and tokenizer, as `load_pretrained` gives them; `passing`: until another passes."""
        folder = find_model(name, self.out)
        weights, key = which_weights(folder), (folder, device, dtype)
        if self._kept.get(key, ("",))[0] != weights:
            self._let_go([key, *(self._passing if passing else ())])  # the next one needs the room
            self._kept[key] = (weights, str(name), load_pretrained(folder, device, dtype))
            if passing:
                self._passing.add(key)
        return self._kept[key][-1]

    def names(self) -> list[str]:
        """The models in memory."""
        return sorted({name for _, name, _ in self._kept.values()})

    def unload(self, name: str) -> None:
        """Let go of this model, and give its memory back."""
        at = {Path(name), self.out / name, Run(Path(name)).final, Run(self.out / name).final}
        kept = [(key, known) for key, (_, known, _) in self._kept.items()]
        self._let_go([key for key, known in kept if known == str(name) or key[0] in at])

    def _let_go(self, keys: list[tuple[Path, Device, Dtype]]) -> None:
        for key in keys:
            self._kept.pop(key, None)
            self._passing.discard(key)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
