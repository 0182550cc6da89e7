"""Any causal language model of Hugging Face, loaded once and kept while it is needed."""

from __future__ import annotations

import gc
import hashlib
import re
import shlex
from pathlib import Path
from typing import ClassVar, get_args

import torch
from loguru import logger
from transformers import AutoConfig, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base import defaults
from the_experiment.base.defaults import Device, Dtype
from the_experiment.base.errors import ExperimentError, UsageError, first_line
from the_experiment.base.runs import TRAIN, Run, find_run, find_runs
from the_experiment.models.gguf import SUFFIX as GGUF
from the_experiment.models.loading import (
    fuse_gelu,
    pick_device,
    read_model,
    refusals_explained,
    saved_tokenizer,
    unusable,
)
from the_experiment.models.scoring import max_positions_of

HUB_NAME = r"[\w.-]+(/[\w.-]+)?"
NEEDED = ["*.json", "*.jinja", "*.model", "*.txt", "*.safetensors"]  # of a model on the hub
DOUBLE = ["consolidated*", "original/*", "onnx/*"]  # the same weights once more


def load_pretrained(
    name: str | Path,
    device: Device = "auto",
    dtype: Dtype = "auto",
    out: Path = Path(defaults.OUT),
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode and its tokenizer, from wherever `name` says.

    `name` is a folder in Hugging Face layout, the folder of a finished run or its name in `out`,
    or else a name on the hub such as `Qwen/Qwen3-0.6B`: only then is the network used. The dtype
    `auto` is the one the weights are saved in. Raises `UsageError` for an unknown device or dtype,
    and `ExperimentError` where there is no causal language model with a tokenizer.
    """
    if dtype not in get_args(Dtype):
        raise UsageError(f"there is no dtype {dtype!r}", f"one of {', '.join(get_args(Dtype))}")
    place = pick_device(device)
    folder = find_model(name, out)
    run = Run(folder.parent)
    if folder.name == run.final.name and run.complete:
        model, tokenizer = _read_run(run, dtype)
    else:
        model, tokenizer, unused = read_model(folder, dtype)
        if unused:
            logger.warning("{}: unexpected weights, such as {}", name, unused[0])
    _write_greedily(model)
    return fuse_gelu(model).to(place).eval(), tokenizer


def _read_run(run: Run, dtype: Dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A finished run's, which nobody else may have written: what doesn't fit is refused."""
    try:
        model, tokenizer, unused = read_model(run.final, dtype)
    except ExperimentError as error:
        raise ExperimentError(error.what, f"{TRAIN} again") from error
    if unused:
        raise unusable(run.final, f"unexpected weights, such as {unused[0]}", f"{TRAIN} again")
    # Our trainings put none before their texts; a tuning does as its base.
    tokenizer.bos_token = run.record().get("bos")
    return model, tokenizer


def find_model(name: str | Path, out: Path = Path(defaults.OUT)) -> Path:
    """The folder that a model lies in, downloaded if it is on the hub. Raises `ExperimentError`."""
    return _local(str(name), out) or _from_hub(str(name), out)


def which_weights(folder: Path) -> str:
    """A fingerprint of the files of a model: by name, size and time, as they may be very large."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    told = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _local(name: str, out: Path) -> Path | None:
    """The folder that a model lies in; None for what can only be a name on the hub."""
    run = find_run(name, out)
    if run:
        return run.final
    if name.endswith(GGUF) and Path(name).is_file():
        raise ExperimentError(
            f"{name} is a GGUF file, not a folder",
            f"make a folder of it: `the-experiment models convert {shlex.quote(name)} FOLDER`",
        )
    for folder in (Path(name).expanduser(), out / name):
        if folder.is_dir():
            return folder
    if _can_only_be_local(Path(name)) or not re.fullmatch(HUB_NAME, name):
        raise ExperimentError(f"no model in {name}/: there is no such folder", "check its name")
    return None


def _can_only_be_local(path: Path) -> bool:
    """Whether it is a file, or a name in a folder that is here."""
    return path.exists() or (path.parent != Path() and path.parent.is_dir())


def _from_hub(name: str, out: Path) -> Path:
    """The folder in the hub's cache, with what is needed downloaded into it."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=NEEDED, ignore_patterns=DOUBLE))
    except Exception as error:  # of the network, the hub, and its client: many kinds
        reason = first_line(error)
        runs = ", ".join(run.name for run in find_runs(out)) or "none yet"
        raise ExperimentError(
            f"{name!r} is neither a folder nor a run in {out}/, and can't be downloaded "
            f"from the hub ({reason})",
            f"check the name (runs: {runs}), or run `hf download {name} --local-dir FOLDER` "
            "on a machine with a network and give that folder",
        ) from None


def _write_greedily(model: PreTrainedModel) -> None:
    """Drop the settings for sampling, and penalties, that a model of the hub comes with."""
    before = model.generation_config
    model.generation_config = GenerationConfig(
        eos_token_id=before.eos_token_id,
        pad_token_id=before.pad_token_id,
        use_cache=before.use_cache,
    )


def read_base(name: str, out: Path) -> tuple[PreTrainedTokenizerBase, int | None]:
    """The tokenizer of a model, and how many tokens it has room for (None: any number).

    `name` is as for `load_pretrained`. Raises `ExperimentError` where there is no model.
    """
    folder = find_model(name, out)
    with refusals_explained(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return saved_tokenizer(folder), max_positions_of(config)


Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


class KeptModels:
    """The models in this process's memory; one is loaded again if its folder has other weights."""

    _passing: ClassVar[set[tuple[Path, Device, Dtype]]] = set()  # until another passes
    _kept: ClassVar[dict[tuple[Path, Device, Dtype], tuple[str, str, Loaded]]] = {}

    def __init__(self, out: Path = Path(defaults.OUT)) -> None:
        self.out = out  # where runs are looked for by name

    def loaded(
        self, name: str, device: Device = "auto", dtype: Dtype = "auto", *, passing: bool = False
    ) -> Loaded:
        """Model and tokenizer, as `load_pretrained` gives them; `passing`: until another passes."""
        folder = find_model(name, self.out)
        weights, key = which_weights(folder), (folder, device, dtype)
        if self._kept.get(key, ("",))[0] != weights:
            self._let_go([key, *(self._passing if passing else ())])  # the next one needs the room
            self._kept[key] = (weights, str(name), load_pretrained(folder, device, dtype))
            if passing:
                self._passing.add(key)
        return self._kept[key][-1]

    def names(self) -> list[str]:
        """The models in memory."""
        return sorted({name for _, name, _ in self._kept.values()})

    def unload(self, name: str) -> None:
        """Let go of this model, and give its memory back."""
        at = {Path(name), self.out / name, Run(Path(name)).final, Run(self.out / name).final}
        kept = [(key, known) for key, (_, known, _) in self._kept.items()]
        self._let_go([key for key, known in kept if known == str(name) or key[0] in at])

    def _let_go(self, keys: list[tuple[Path, Device, Dtype]]) -> None:
        for key in keys:
            self._kept.pop(key, None)
            self._passing.discard(key)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
