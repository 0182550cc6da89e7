"""Loading a trained model from a folder, and picking the device it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import TRAIN
from the_experiment.models.architectures import ARCHITECTURES

Device = Literal["auto", "cpu", "cuda", "mps"]


def load(
    folder: Path, device: torch.device | str = "cpu"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode and its tokenizer, from a folder in Hugging Face layout.

    Nothing is looked up on the network. Raises `ExperimentError` for a folder that is missing,
    half written or torn.
    """
    if not (folder / "config.json").is_file():
        raise ExperimentError(f"no model in {folder}/", TRAIN)
    ARCHITECTURES.names()  # imports them all, plug-ins too: each registers its classes
    disable_progress_bar()  # of reading one small file
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # safetensors, json and transformers each raise their own kinds
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ExperimentError(
            f"the model in {folder}/ can't be read ({reason})", f"{TRAIN} again"
        ) from error
    return model.to(device).eval(), tokenizer


def pick_device(device: Device = "auto") -> torch.device:
    """The device of that name; `auto` is the fastest there is: cuda, then mps, then cpu.

    Raises `ExperimentError` where this machine, or this build of torch, has none of that name.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if not available[device]:
        raise ExperimentError(
            f"torch {torch.__version__} finds no {device} device here",
            "use `--device auto`, or install a build of torch for your device",
        )
    return torch.device(device)
