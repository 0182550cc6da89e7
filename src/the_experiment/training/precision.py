"""Where half the bits pay, and where they cost."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn

from the_experiment.base.errors import UsageError

Precision = Literal["fp32", "bf16"]

# The fastest first: how torch tells of it, and with which values of ONEDNN_MAX_CPU_ISA it is used.
_ALL = ("ALL", "DEFAULT", "AVX512_CORE_AMX", "AVX10")
BF16_UNITS = {
    "AMX": ("_is_amx_tile_supported", _ALL),
    "AVX512_BF16": (
        "_is_avx512_bf16_supported",
        (*_ALL, "AVX512_CORE_BF16", "AVX512_CORE_FP16"),
    ),
}


def pick_precision(asked: str, device: torch.device, model: nn.Module) -> Precision:
    """`auto` is bf16 where it pays on this device for this model.

    Where the hardware doesn't multiply it, it is emulated, and far slower. Raises `UsageError` for
    `bf16` where this model can't be trained in it at all.
    """
    if asked == "auto":
        return "bf16" if _multiplies_bf16(device) and not _is_lstm_on_cpu(device, model) else "fp32"
    if asked == "bf16" and _is_lstm_on_cpu(device, model) and not trains_lstm_in_bf16():
        raise UsageError(
            "this processor can't train an RNN in bf16", "use `--precision fp32`, or `auto`"
        )
    return "bf16" if asked == "bf16" else "fp32"


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The context to run a forward in."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def trains_lstm_in_bf16() -> bool:
    """Whether oneDNN has an LSTM with gradients for this processor; with AVX2 alone it has none."""
    with autocast("bf16", torch.device("cpu")):
        try:
            nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
        except RuntimeError:
            return False
    return True


def _is_lstm_on_cpu(device: torch.device, model: nn.Module) -> bool:
    # There, with 5.6 million parameters a step takes half as long again in bf16.
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    return device.type == "cpu" and recurrent


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and multiplies_bf16_by() is not None


def multiplies_bf16_by() -> str | None:
    """The native bf16 instructions of this CPU; None where bf16 is emulated."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()  # of what oneDNN may use
    for unit, (function, limits) in BF16_UNITS.items():
        supported = getattr(torch.cpu, function, bool)()  # not in every torch
        if supported and any(limit.startswith(one) for one in limits):
            return unit
    return None
