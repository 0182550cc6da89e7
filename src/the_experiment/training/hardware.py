"""What a training computes with, and what of that decides how numbers are rounded."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypedDict

import torch

from the_experiment.base.errors import ExperimentError
from the_experiment.base.instructions import (
    FIXED,
    instructions_chosen_already,
    refuse_other_instructions,
)
from the_experiment.training.precision import Precision, multiplies_bf16_by

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
