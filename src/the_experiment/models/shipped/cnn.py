"""CNN: causal dilated convolutions, doubled until the last position sees the whole text."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from the_experiment.models.architectures import Shape, architecture
from the_experiment.models.causal import CausalModel

MODEL_TYPE = "the-experiment-cnn"
KERNEL = 3


class CNNConfig(PreTrainedConfig):
    """`n_positions` is how many tokens a text may have; the layers follow from it."""

    model_type = MODEL_TYPE
    hidden_size: int = 128
    n_positions: int = 64
    vocab_size: int = 256
    dropout: float = 0.1


def dilations(positions: int) -> list[int]:
    """1, 2, 4, … until the convolutions together reach back over all positions.

    >>> dilations(64)
    [1, 2, 4, 8, 16, 32]
    """
    found = [1]
    while 1 + (KERNEL - 1) * sum(found) < positions:
        found.append(2 * found[-1])
    return found


class Layer(nn.Module):
    """A residual convolution that looks back only: out of norm, convolution, GELU, and a mix."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolution = nn.Conv1d(width, width, KERNEL, dilation=dilation)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.reach = (KERNEL - 1) * dilation

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, length, width) to the same."""
        past = functional.pad(self.norm(hidden).transpose(1, 2), (self.reach, 0))
        seen = functional.gelu(self.convolution(past)).transpose(1, 2)
        mixed: Tensor = self.dropout(self.mix(seen))
        return hidden + mixed


class CNNForCausalLM(CausalModel):
    """Learned positions are added first: convolutions alone can't tell where they are."""

    config_class = CNNConfig

    def __init__(self, config: CNNConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.positions = nn.Embedding(config.n_positions, width)
        self.layers = nn.ModuleList(
            Layer(width, dilation, config.dropout) for dilation in dilations(config.n_positions)
        )
        self.post_init()

    def features(self, embedded: Tensor) -> Tensor:
        """(batch, length, width) to the same; `length` is at most `n_positions`."""
        places = torch.arange(embedded.shape[1], device=embedded.device)
        hidden: Tensor = embedded + self.positions(places[None])
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


@architecture("cnn")
def cnn(shape: Shape) -> CNNConfig:
    """As many layers as the positions need, so that the width alone sets the size."""
    return CNNConfig(
        vocab_size=shape.vocabulary,
        n_positions=shape.positions,
        hidden_size=shape.width,
        eos_token_id=shape.eos,
        pad_token_id=shape.pad,
    )


AutoConfig.register(MODEL_TYPE, CNNConfig, exist_ok=True)
AutoModelForCausalLM.register(CNNConfig, CNNForCausalLM, exist_ok=True)
