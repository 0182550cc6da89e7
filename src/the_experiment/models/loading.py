"""Models as folders: reading them, untrained ones written, and the device that one runs on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import safe_open
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.activations import GELUTanh, NewGELUActivation
from transformers.utils.logging import disable_progress_bar, set_verbosity_error
from transformers.utils.logging import disable_progress_bar as silence_bars

from the_experiment.base.defaults import Device, Dtype
from the_experiment.base.errors import ExperimentError, UsageError, first_line
from the_experiment.base.files import read_json, replaced_folder
from the_experiment.base.seeds import derived_seed
from the_experiment.models.architectures import (
    ARCHITECTURES,
    REFERENCE,
    Shape,
    build,
    configured,
    parameters,
)


def write_untrained(
    settings: Mapping[str, Any] | None,
    shape: Shape,
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    path: Path,
) -> Path:
    """The folder `path` with this model and its tokenizer, unless it is there already.

    `settings` are those of `configured`; None is a GPT-2 of this shape.
    """
    if not path.is_dir():
        silence_bars()  # of writing one small file
        torch.manual_seed(derived_seed(seed, "parameters"))
        model = configured(settings, shape) if settings else build(REFERENCE, shape)
        with replaced_folder(path) as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    return path


TWICE = 2  # as many parameters as weights there are: some may be shared, or made anew
OF_NO_CLASS = ("TokenizersBackend", "PreTrainedTokenizerFast")  # all that it is, is in its file
SAVE_AGAIN = "save the whole model and its tokenizer into that folder again (`save_pretrained`)"


def read_model(
    folder: Path, dtype: Dtype = "auto"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[str]]:
    """Model, tokenizer, and the names of weights that the model has no place for, from a folder.

    `auto` is the type of numbers that the weights are saved in. No code and no pickle that lies
    there is run. Raises `ExperimentError` for what is no causal language model with a tokenizer.
    """
    if not (folder / "config.json").is_file():
        raise ExperimentError(
            f"no model in {folder}/", "give the folder that the model's config.json lies in"
        )
    ARCHITECTURES.names()  # imports them all, plug-ins too: each registers its classes
    disable_progress_bar()  # of reading one small file
    set_verbosity_error()  # its table of the weights that don't fit: we refuse them, and say why
    with refusals_explained(folder):
        _check_configuration(folder)
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    with refusals_explained(folder, "its tokenizer can't be read: "):
        tokenizer = saved_tokenizer(folder)
    for harm in (_misfit_weights(report), _misfit_tokenizer(tokenizer, model)):
        if harm:
            raise unusable(folder, harm)
    if _looks_ahead(model):
        raise _no_language_model(folder, "its answers depend on tokens that come later")
    return model, tokenizer, sorted(report["unexpected_keys"])


@contextmanager
def refusals_explained(folder: Path, what: str = "") -> Iterator[None]:
    """Turn what transformers raises into one plain error; safetensors and json have more kinds."""
    try:
        yield
    except ExperimentError:
        raise
    except Exception as error:
        reason = first_line(error)
        raise unusable(folder, what + reason) from error


def _check_configuration(folder: Path) -> None:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or config.is_encoder_decoder:
        raise _no_language_model(folder, f"its type is {config.model_type}")
    harm = _too_large(folder, config)
    if harm:
        raise unusable(folder, harm)


def _too_large(folder: Path, config: PreTrainedConfig) -> str:
    """What a configuration has beyond the weights beside it: it would be built, for minutes."""
    if getattr(config, "quantization_config", None):
        return ""  # several weights are packed into each number
    sizes = []
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            sizes += [
                math.prod(weights.get_slice(name).get_shape()) for name in sorted(weights.keys())
            ]
    layers = getattr(config.get_text_config(), "num_hidden_layers", None) or 0
    if sizes and layers > len(sizes):
        return f"its configuration has {layers:,} layers, and its weights are {len(sizes)} tensors"
    wanted = parameters(config)
    if sizes and wanted > TWICE * sum(sizes):
        return f"its configuration has {wanted:,} parameters, its weights {sum(sizes):,}"
    return ""


def saved_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that was saved there.

    For some types of model, Qwen2 for one, transformers would put the type's own way of splitting
    in the place of that of a tokenizer which is of no class of its own.
    """
    settings = folder / "tokenizer_config.json"
    named = read_json(settings).get("tokenizer_class") if settings.is_file() else None
    kind = PreTrainedTokenizerFast if named in OF_NO_CLASS else AutoTokenizer
    tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def _misfit_weights(report: dict[str, Any]) -> str:
    """What transformers would make up; shared weights are none of it."""
    for how in ("missing", "mismatched"):
        # A mismatched one comes with its two shapes.
        weights = [one if isinstance(one, str) else one[0] for one in report[f"{how}_keys"]]
        if weights:
            return f"{how} weights, such as {min(weights)}"
    return ""


def _misfit_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> str:
    # For some types of model transformers makes up a tokenizer of one token where none is saved.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        return "it has no tokenizer"
    if not isinstance(tokenizer.eos_token_id, int):
        return "its tokenizer has no end token"
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        return f"its tokenizer has {len(tokenizer)} tokens, the model knows {known}"
    return ""


@torch.inference_mode()
def _looks_ahead(model: PreTrainedModel) -> bool:
    """Whether another second token changes what is said after the first, as in BERT."""
    logits = model.eval()(input_ids=torch.tensor([[0, 0], [0, 1]])).logits[:, 0].float()
    return not torch.allclose(logits[0], logits[1], rtol=1e-2, atol=1e-3, equal_nan=True)


def _no_language_model(folder: Path, why: str) -> ExperimentError:
    return ExperimentError(
        f"the model in {folder}/ is not a causal language model ({why})",
        "choose one that writes text from left to right, such as GPT-2, Llama or Qwen",
    )


def unusable(folder: Path, why: str, hint: str = SAVE_AGAIN) -> ExperimentError:
    return ExperimentError(f"the model in {folder}/ can't be used ({why})", hint)


def fuse_gelu(model: PreTrainedModel) -> PreTrainedModel:
    """Have one kernel compute GPT-2's GELU, where transformers has six: the same up to rounding."""
    slow = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, NewGELUActivation)
    ]
    for parent, name in slow:
        setattr(parent, name, GELUTanh())
    return model


def pick_device(device: Device = "auto") -> torch.device:
    """The device of that name; `auto` is the fastest there is: cuda, then mps, then cpu.

    Raises `UsageError` for an unknown name, and `ExperimentError` where this machine, or this build
    of torch, has none of that name.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if device not in available:
        raise UsageError(f"there is no device {device!r}", f"one of {', '.join(get_args(Device))}")
    if not available[device]:
        raise ExperimentError(
            f"torch {torch.__version__} finds no {device} device here",
            "use `--device cpu`, or install a build of torch for your device",
        )
    return torch.device(device)
