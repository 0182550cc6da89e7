"""RNN: two LSTM layers, as wide as their embedding, each behind a layer norm."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from the_experiment.models.architectures import Shape, architecture
from the_experiment.models.causal import CausalModel

MODEL_TYPE = "the-experiment-rnn"


class RNNConfig(PreTrainedConfig):
    """`hidden_size` is the width of the embedding and of each layer."""

    model_type = MODEL_TYPE
    hidden_size: int = 128
    num_hidden_layers: int = 2
    vocab_size: int = 256
    dropout: float = 0.1


class RNNForCausalLM(CausalModel):
    """Each layer reads the one below through a layer norm, and is dropped out before it is read.

    Without the norms the small embeddings hardly move the LSTM, and it takes twice the steps.
    """

    config_class = RNNConfig

    def __init__(self, config: RNNConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        depth = range(config.num_hidden_layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in depth)
        self.layers = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in depth)
        self.post_init()

    def features(self, embedded: Tensor) -> Tensor:
        """(batch, length, width) to the same; the state starts at zero."""
        hidden = embedded
        for norm, layer in zip(self.norms, self.layers, strict=True):
            hidden = self.dropout(layer(norm(hidden))[0])
        return hidden


@architecture("rnn", original_ratio=7.0)
def rnn(shape: Shape) -> RNNConfig:
    """The original's RNN had seven times the parameters of its GPT-2: hence `original_ratio`."""
    return RNNConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        eos_token_id=shape.eos,
        pad_token_id=shape.pad,
    )


AutoConfig.register(MODEL_TYPE, RNNConfig, exist_ok=True)
AutoModelForCausalLM.register(RNNConfig, RNNForCausalLM, exist_ok=True)
