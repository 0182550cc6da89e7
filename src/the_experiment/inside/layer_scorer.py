"""How likely completions are without pieces of a layer, run from that layer on.

Pieces are silent at every token, so that prompts have to be read again for each of them. What
can't differ is not: the layers before, and what all prompts begin with, such as the first lines
of a chat template, is read once for all texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.shortcuts import from_layer, up_to_layer
from the_experiment.inside.silenced import Means, ablated
from the_experiment.inside.sites import Site
from the_experiment.models.scoring import batches, going_on, keeps_past, past_of, scores_of
from the_experiment.models.texts import Encoded, padded

PAD = 0  # nothing sees what fills a shorter text up


class LayerScorer:
    """Prompts and their completions as they come to a layer, which can be run without its pieces.

    A model that can't begin at a layer, such as an LSTM, runs as a whole.
    """

    def __init__(self, hooked: HookedModel, encoded: Sequence[Encoded], layer: int) -> None:
        self._hooked, self._encoded = hooked, encoded
        self._layer = layer if hooked.restarts else 0
        vocabulary = hooked.model.get_input_embeddings().weight.shape[0]
        self._batches = list(batches(encoded, vocabulary))
        caches = hooked.restarts and keeps_past(hooked.model)
        self._shared = _common([one.prompt for one in encoded]) if caches else []
        self._streams = self._read() if self._layer else []  # the shared tokens', then by batch

    @torch.inference_mode()
    def _read(self) -> list[Tensor]:
        """What the layer reads, (texts, tokens, width)."""
        with up_to_layer(self._hooked.blocks, self._layer) as streams:
            past = self._run_shared()
            for batch in self._batches:
                self._run(batch, past, 1)
        return streams

    @torch.inference_mode()
    def logprobs(self, sites: Sequence[Site], means: Means | None = None) -> list[float]:
        """Each completion's log-probability without these sites, whatever comes after it.

        They lie in the layer, and hold zero, or their mean, at every token.
        """
        found = [0.0] * len(self._encoded)
        own = self._streams[bool(self._shared) :]
        with ablated(self._hooked, sites, means):
            with self._reading(self._streams[:1]):
                past = self._run_shared()
            for place, batch in enumerate(self._batches):
                some = [self._encoded[number] for number in batch]
                first = min(len(one.prompt) for one in some) - 1
                last = max(len(one.ids) for one in some) - 1 - first
                with self._reading(own[place : place + 1]):
                    logits = self._run(batch, past, last)
                scores = scores_of(logits, some, PAD, first)
                for number, score in zip(batch, scores, strict=True):
                    found[number] = sum(score.logprobs[:-1])  # the last is the end token's
        return found

    def _reading(self, streams: Sequence[Tensor]) -> AbstractContextManager[None]:
        if not streams:
            return nullcontext()
        return from_layer(self._hooked.blocks, self._layer, streams[0])

    def _run_shared(self) -> DynamicCache | None:
        """Keys and values of what all prompts begin with."""
        if not self._shared:
            return None
        model = self._hooked.model
        ids = torch.tensor([self._shared], device=model.device)
        return past_of(model(input_ids=ids, use_cache=True, logits_to_keep=1))

    def _run(self, batch: Sequence[int], past: DynamicCache | None, last: int) -> Tensor:
        """The logits at so many last positions, (texts, positions, vocabulary)."""
        model, begins = self._hooked.model, len(self._shared)
        ids = padded([self._encoded[number].ids[begins:-1] for number in batch], PAD)
        asked: dict[str, Any] = {"use_cache": False}
        if past is not None:
            asked = going_on(model, past, torch.zeros(len(batch), dtype=torch.long))
        logits: Tensor = model(input_ids=ids.to(model.device), logits_to_keep=last, **asked).logits
        return logits


def _common(prompts: Sequence[Sequence[int]]) -> list[int]:
    """The tokens that all begin with; of each at least one is left.

    >>> _common([(5, 6, 7, 8), (5, 6, 8)]), _common([(5, 6), (5, 6)])
    ([5, 6], [5])
    """
    shared = []
    for tokens in zip(*(prompt[:-1] for prompt in prompts), strict=False):
        if len(set(tokens)) > 1:
            break
        shared.append(tokens[0])
    return shared
