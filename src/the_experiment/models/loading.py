"""Loading a trained model from a folder, and picking the device it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json
from the_experiment.base.runs import TRAIN
from the_experiment.models.architectures import ARCHITECTURES

Device = Literal["auto", "cpu", "cuda", "mps"]

OF_NO_CLASS = ("TokenizersBackend", "PreTrainedTokenizerFast")  # all that it is, is in its file


def load(
    folder: Path, device: torch.device | str = "cpu"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode and its tokenizer, from a folder in Hugging Face layout.

    Nothing is looked up on the network. Raises `ExperimentError` for a folder that is missing,
    half written or torn, or holds weights, configuration and tokenizer of different models.
    """
    if not (folder / "config.json").is_file():
        raise ExperimentError(f"no model in {folder}/", TRAIN)
    ARCHITECTURES.names()  # imports them all, plug-ins too: each registers its classes
    disable_progress_bar()  # of reading one small file
    set_verbosity_error()  # its table of the weights that don't fit: we refuse them, and say why
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True
        )
        tokenizer = _tokenizer(folder)
    except Exception as error:  # safetensors, json and transformers each raise their own kinds
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise _unusable(folder, reason) from error
    for harm in (_misfit_weights(report), _misfit_tokenizer(tokenizer, model)):
        if harm:
            raise _unusable(folder, harm)
    return model.to(device).eval(), tokenizer


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that was saved there.

    For some types of model, Qwen2 for one, transformers would put the type's own way of splitting
    in the place of that of a tokenizer which is of no class of its own.
    """
    settings = folder / "tokenizer_config.json"
    named = read_json(settings).get("tokenizer_class") if settings.is_file() else None
    kind = PreTrainedTokenizerFast if named in OF_NO_CLASS else AutoTokenizer
    tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(folder, local_files_only=True)
    return tokenizer


def _misfit_weights(report: dict[str, Any]) -> str:
    """What transformers would make up or leave out; shared weights are none of it."""
    for how in ("missing", "unexpected", "mismatched"):
        # A mismatched one comes with its two shapes.
        weights = [one if isinstance(one, str) else one[0] for one in report[f"{how}_keys"]]
        if weights:
            return f"{how} weights, {min(weights)} for one"
    return ""


def _misfit_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> str:
    if not isinstance(tokenizer.eos_token_id, int):
        return "its tokenizer has no end token"
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        return f"its tokenizer has {len(tokenizer)} tokens, the model knows {known}"
    return ""


def _unusable(folder: Path, why: str) -> ExperimentError:
    return ExperimentError(f"the model in {folder}/ can't be used ({why})", f"{TRAIN} again")


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
