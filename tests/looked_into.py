"""Random models in a world, for the tests of looking inside: nobody waits for a training."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen3Config
from transformers import Qwen3ForCausalLM as Qwen3

from the_experiment.base.seeds import Stream
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.inside.subject import Subject
from the_experiment.models.architectures import Shape, build
from the_experiment.worlds import World, find_world

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
MAKERS: dict[str, Callable[[int], PreTrainedModel]] = {  # from the number of tokens
    "gpt2": lambda tokens: build("gpt2", Shape(tokens, 64, width=32)),
    "rnn": lambda tokens: build("rnn", Shape(tokens, 64, width=32)),
    "cnn": lambda tokens: build("cnn", Shape(tokens, 64, width=32)),
    "llama": lambda tokens: LlamaForCausalLM(LlamaConfig(**SMALL, vocab_size=tokens)),
    "qwen3": lambda tokens: Qwen3(Qwen3Config(**SMALL, head_dim=16, vocab_size=tokens)),
}
VOCABULARY, LENGTH = 17, 11  # of texts that mean nothing
RESTARTING = ["gpt2", "cnn", "llama", "qwen3"]
ATTENDING = ["gpt2", "llama", "qwen3"]


def random_model(name: str, tokens: int = VOCABULARY, seed: int = 0) -> PreTrainedModel:
    """A model that was never trained, its weights so large that all of it makes a difference."""
    torch.manual_seed(seed)
    model = MAKERS[name](tokens).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if parameter.ndim > 1 else 1.0)
    return model


def random_subject(name: str, seed: int = 0, world: World | None = None) -> Subject:
    """Such a model in a world (`causal`): six states seen, two held out."""
    world = world or find_world("causal")
    tokenizer = character_tokenizer(world.alphabet)
    model = random_model(name, len(tokenizer), seed)
    states = world.sample(8, Stream(0, "states"))
    split = SimpleNamespace(world=world, seen=states[:6], held_out=states[6:])
    trained: Any = SimpleNamespace(name=name, split=split, loaded=(model, tokenizer))
    return Subject(trained)


def some_ids(rows: int) -> Tensor:
    """(rows, LENGTH) of tokens that all these models know and that are no special ones."""
    return torch.randint(3, 9, (rows, LENGTH), generator=torch.Generator().manual_seed(0))


def close(one: Tensor, other: Tensor, atol: float = 1e-4) -> None:
    """Assert that two ways to compute the same agree but for rounding."""
    torch.testing.assert_close(one, other, atol=atol, rtol=1e-4)
