"""Everything a training needs before its first step, made from its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base.errors import ExperimentError, first_line
from the_experiment.base.seeds import derived_seed
from the_experiment.data.reading import DatasetInfo, dataset_info, read_dataset
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.models.architectures import Shape, build, configuration, positions_for
from the_experiment.models.loading import pick_device
from the_experiment.models.pretrained import load_pretrained
from the_experiment.models.scoring import check_length
from the_experiment.models.texts import end_id, pad_id
from the_experiment.training.config import TrainConfig
from the_experiment.training.hardware import Precision, pick_precision
from the_experiment.training.rows import Rows, encode_rows


@dataclass(frozen=True)
class Job:
    """A model as it is before its first step, and what it is to learn from."""

    config: TrainConfig
    info: DatasetInfo
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    train: Rows
    valid: Rows | None  # never steers anything: its loss is told at the end
    device: torch.device
    precision: Precision


def prepare(config: TrainConfig) -> Job:
    """Read the data and build the model. Raises `ExperimentError` for what can't be had."""
    device = pick_device(config.device)
    pairs = read_dataset(config.dataset)
    info = dataset_info(config.dataset, pairs)
    base = load_pretrained(config.base, config.device, "float32") if config.base else None
    tokenizer = base[1] if base else _tokenizer(config, info)
    train = encode_rows(tokenizer, pairs["train"])
    valid = pairs.get("valid")
    model = _gone_on(base[0], train) if base else _new(config, tokenizer, train, info)
    model.to(device)
    return Job(
        config=config,
        info=info,
        model=model,
        tokenizer=tokenizer,
        train=train.to(device),
        valid=encode_rows(tokenizer, valid).to(device) if valid else None,
        device=device,
        precision=pick_precision(config.precision, device, model),
    )


def check_widths(config: TrainConfig, models: Sequence[str]) -> None:
    """Raise `ExperimentError` where one of these models can't be as large as `config` says.

    A training would find that out too, but others before it would have been for nothing.
    """
    pairs = read_dataset(config.dataset)
    info = dataset_info(config.dataset, pairs)
    tokenizer = _tokenizer(config, info)
    shape = _shape(config, tokenizer, encode_rows(tokenizer, pairs["train"]), info)
    for name in models:
        configuration(name, shape, config.size)


def _gone_on(model: PreTrainedModel, train: Rows) -> PreTrainedModel:
    """The base itself. Raises `ExperimentError` for rows that are too long for it."""
    check_length(model, int(train.lengths.max()))
    return model


def _new(
    config: TrainConfig, tokenizer: PreTrainedTokenizerBase, train: Rows, info: DatasetInfo
) -> PreTrainedModel:
    """A model with weights drawn by the seed."""
    torch.manual_seed(derived_seed(config.seed, "parameters"))
    return build(config.model, _shape(config, tokenizer, train, info), config.size)


def _shape(
    config: TrainConfig, tokenizer: PreTrainedTokenizerBase, train: Rows, info: DatasetInfo
) -> Shape:
    longest = max(info.longest, int(train.lengths.max()))
    return Shape(
        vocabulary=len(tokenizer),
        positions=positions_for(longest),
        width=config.width,
        layers=config.layers,
        heads=config.heads,
        pad=pad_id(tokenizer),
        eos=end_id(tokenizer),
    )


def _tokenizer(config: TrainConfig, info: DatasetInfo) -> PreTrainedTokenizerBase:
    if config.tokenizer is None:
        return character_tokenizer(info.alphabet)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(config.tokenizer)
    except Exception as error:  # transformers raises many kinds; all mean that there is none
        reason = first_line(error)
        raise ExperimentError(
            f"no tokenizer can be read from {config.tokenizer} ({reason})",
            "give a folder with a Hugging Face tokenizer, or leave --tokenizer out",
        ) from None
    return tokenizer
