"""GPT-2: transformers' own; 128 wide, with 4 layers of 4 heads, it has 0.8 million parameters."""

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
        n_layer=shape.layers,
        n_head=shape.heads,
        bos_token_id=shape.eos,
        eos_token_id=shape.eos,
        pad_token_id=shape.pad,
    )
