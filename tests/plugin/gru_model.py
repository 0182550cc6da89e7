"""A model from another package: a GRU of one layer. And a baseline that always says one."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from the_experiment.base.seeds import Integers
from the_experiment.evaluation.baseline import Examples, baselines
from the_experiment.models.architectures import Shape, architecture
from the_experiment.models.causal import CausalModel


class GRUConfig(PreTrainedConfig):
    model_type = "plugged-in-gru"
    hidden_size: int = 128
    vocab_size: int = 256
    dropout: float = 0.1


class GRUForCausalLM(CausalModel):
    config_class = GRUConfig

    def __init__(self, config: GRUConfig) -> None:
        super().__init__(config)
        self.layer = nn.GRU(config.hidden_size, config.hidden_size, batch_first=True)
        self.post_init()

    def features(self, embedded: Tensor) -> Tensor:
        hidden: Tensor = self.layer(embedded)[0]
        return hidden


@architecture("gru")
def gru(shape: Shape) -> GRUConfig:
    return GRUConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        eos_token_id=shape.eos,
        pad_token_id=shape.pad,
    )


AutoConfig.register("plugged-in-gru", GRUConfig)
AutoModelForCausalLM.register(GRUConfig, GRUForCausalLM)


@baselines.register("always one")
def always_one(_: Examples, asked: Integers) -> Integers:
    return np.ones(len(asked), dtype=np.int64)
