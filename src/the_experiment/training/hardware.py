"""What a training computes with, which precision pays there, and how numbers are rounded."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Literal, TypedDict

import torch
from torch import nn

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.instructions import (
    FIXED,
    instructions_chosen_already,
    refuse_other_instructions,
)

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


# Those that choose among the code that torch, MKL and oneDNN have for a processor.
VARIABLES = (*FIXED, "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


class Hardware(TypedDict):
    """The part of `run.json` that explains other weights from the same seed."""

    processor: str
    instructions: str  # of torch's own kernels, such as AVX2 or AVX512
    threads: int
    matrix_products: str  # library and precision, on what
    environment: dict[str, str]  # those of VARIABLES that are set
    gpu: str | None


@contextmanager
def computing_with(threads: int, *, deterministic: bool = False) -> Iterator[None]:
    """Within the block torch has so many threads; after it, as many as before.

    `deterministic` wants fixed instructions, and raises `ExperimentError` where they are not.
    """
    if deterministic:
        _refuse_unfixed()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with _without_tuned_kernels() if deterministic else nullcontext():
            yield
    finally:
        torch.set_num_threads(before)


def _refuse_unfixed() -> None:
    refuse_other_instructions()
    if not torch.cpu._is_avx2_supported():  # torch would be ended by its first such instruction
        raise ExperimentError(
            f"this processor ({_processor()}) has no AVX2", "leave --deterministic out"
        )
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        raise instructions_chosen_already()


@contextmanager
def _without_tuned_kernels() -> Iterator[None]:
    """Convolutions and LSTMs by torch's own kernels and MKL.

    oneDNN and NNPACK choose theirs by the processor, and cut the work up by the size of its caches.
    """
    before = torch.backends.mkldnn.enabled
    # Not by its `flags`, which sets more and warns of it.
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment,unused-ignore]
    try:
        with torch.backends.nnpack.flags(enabled=False):
            yield
    finally:
        torch.backends.mkldnn.enabled = before


def hardware(device: torch.device, precision: Precision) -> Hardware:
    """What this process computes with."""
    return Hardware(
        processor=_processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        matrix_products=_matrix_products(device, precision),
        environment={name: os.environ[name] for name in VARIABLES if name in os.environ},
        gpu=torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    )


def _processor() -> str:
    """Its name; Python alone knows only its architecture on Linux."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _matrix_products(device: torch.device, precision: Precision) -> str:
    if device.type != "cpu":
        return f"{precision} on {device.type}"
    if precision == "bf16":
        unit = multiplies_bf16_by()
        return f"oneDNN, bf16 {'on ' + unit if unit else 'emulated'}"
    return f"{'MKL' if torch.backends.mkl.is_available() else 'BLAS'}, fp32"
