"""A fixed set of processor instructions, with which every x86 processor adds up the same.

Torch and MKL choose the fastest code for the processor that they find; each rounds otherwise. What
was tried, and how far it comes: docs/reproducibility.md.
"""

from __future__ import annotations

import os
import sys

from the_experiment.base.errors import ExperimentError

FIXED = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels; x86 processors have AVX2 since about 2015
    "MKL_CBWR": "COMPATIBLE",  # MKL's matrix products; the only mode that AMD's share with Intel's
}


def fix_instructions() -> None:
    """Fix them for this process and those it starts. Both libraries read this once, when loaded.

    Raises `ExperimentError` where torch is loaded already, with other instructions.
    """
    if "torch" in sys.modules:
        refuse_other_instructions()
    os.environ.update(FIXED)


def refuse_other_instructions() -> None:
    """Raise `ExperimentError` where the environment leaves the choice to the libraries."""
    if any(os.environ.get(name) != value for name, value in FIXED.items()):
        raise instructions_chosen_already()


def instructions_chosen_already() -> ExperimentError:
    """What to do where torch was loaded too early, as in a notebook."""
    settings = " ".join(f"{name}={value}" for name, value in FIXED.items())
    return ExperimentError(
        "torch was imported before its CPU instruction set was fixed, and keeps its own choice",
        f"restart Python with {settings} in its environment, or call "
        "`the_experiment.base.instructions.fix_instructions()` before importing torch",
    )
