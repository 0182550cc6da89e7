"""What the RNN and the CNN share: tokens in, logits out, as transformers expects them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class CausalModel(PreTrainedModel, GenerationMixin):
    """Embedding, then `features` of a subclass, then a head with weights of its own.

    Left padding does not change a row's logits: each row is rolled to begin at position 0, run,
    and rolled back. Right padding can't, since `features` is causal.
    """

    base_model_prefix = "model"

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.loss_type = "ForCausalLM"  # transformers guesses from the class's name, and warns
        if self.generation_config is not None:
            self.generation_config.use_cache = False  # the whole text is run for every token
        width = config.hidden_size
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, config.vocab_size, bias=False)

    def features(self, embedded: Tensor) -> Tensor:
        """(batch, length, width) to (batch, length, width); position i sees positions 0 … i."""
        raise NotImplementedError

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embedding = value  # type: ignore[assignment]

    def get_output_embeddings(self) -> nn.Module:
        return self.head

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutput:
        """All arguments are (batch, length); logits are (batch, length, vocabulary).

        `labels` are the input ids themselves, -100 where no loss is wanted. `logits_to_keep` is as
        in transformers: so many of the last positions (0: all), or these positions.
        """
        padding = None if attention_mask is None else attention_mask.argmax(dim=1)
        hidden = self.dropout(self.embedding(_rolled(input_ids, padding)))
        hidden = self.norm(self.features(hidden))
        hidden = _rolled(hidden, None if padding is None else -padding)
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.head(hidden[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.vocab_size, **kwargs)
        return CausalLMOutput(loss=loss, logits=logits)

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> dict[str, Any]:
        """The whole text each time: texts here are short, and a cache would only be code."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}


def _rolled(rows: Tensor, left: Tensor | None) -> Tensor:
    """(batch, length, …) with each row rolled left by its entry of `left` (batch,)."""
    if left is None:
        return rows
    length = rows.shape[1]
    places = (torch.arange(length, device=rows.device) + left[:, None]) % length
    return rows[torch.arange(len(rows), device=rows.device)[:, None], places]
