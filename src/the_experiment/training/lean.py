"""Faster stand-ins for slow modules while a model trains on the CPU. The model saved is plain.

Each computes what it stands in for; `benchmarks/train_step.py` shows what they save together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.models.gpt2.modeling_gpt2 import GPT2Block

from the_experiment.training.block import LeanBlock, LeanDropout, Masks


@contextmanager
def lean(model: PreTrainedModel) -> Iterator[None]:
    """Within the block `model` trains with stand-ins; after it, it is as it was.

    Only for the CPU: GPUs have fused kernels of their own.
    """
    _keep_freed_memory()
    masks = {part.p: Masks(part.p) for part in model.modules() if isinstance(part, nn.Dropout)}

    def start(*_: Any) -> None:
        for each in masks.values():
            each.start()

    hook = model.register_forward_pre_hook(start)
    replaced = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Dropout) or is_plain_block(child)
    ]
    for parent, name, child in replaced:
        setattr(parent, name, _stand_in(child, masks).train(child.training))
    try:
        yield
    finally:
        for parent, name, child in replaced:
            setattr(parent, name, child)
        hook.remove()


def _stand_in(module: nn.Module, masks: dict[float, Masks]) -> nn.Module:
    if isinstance(module, GPT2Block):
        return LeanBlock(module, masks)
    assert isinstance(module, nn.Dropout)
    return LeanDropout(module.p, masks[module.p])


def is_plain_block(module: nn.Module) -> bool:
    """Whether this is a GPT-2 block as GPT-2 has it, none of its configuration's variations."""
    if not isinstance(module, GPT2Block):
        return False
    config = module.attn.config
    scaled = config.scale_attn_weights and not config.scale_attn_by_inverse_layer_idx
    return bool(
        scaled and config.activation_function == "gelu_new" and not config.add_cross_attention
    )


def _keep_freed_memory() -> None:
    """Freeing one large block teaches the C library not to return memory after every step.

    Getting it back costs a thousand page faults a step, a tenth of its time.
    """
    torch.empty(7 * 2**20)  # 28 MiB; glibc learns from blocks up to 32
