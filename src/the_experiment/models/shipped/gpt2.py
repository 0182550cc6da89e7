"""GPT-2: transformers' own, 4 layers of 4 heads; 128 wide it has 0.8 million parameters."""

from __future__ import annotations

from transformers import GPT2Config

from the_experiment.models.architectures import Shape, architecture


@architecture("gpt2")
def gpt2(shape: Shape) -> GPT2Config:
    """Dropout is 0.1 everywhere, GPT-2's default."""
    return GPT2Config(
        vocab_size=shape.vocabulary,
        n_positions=shape.positions,
        n_embd=shape.width,
        n_layer=4,
        n_head=4,
        bos_token_id=shape.eos,
        eos_token_id=shape.eos,
        pad_token_id=shape.pad,
    )
