"""transformers' Trainer as a peer: the default GPT-2 on the default world, as others train it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.reading import read_dataset
from the_experiment.models.texts import encode, pad_id
from the_experiment.training.config import TrainConfig
from the_experiment.training.job import prepare
from the_experiment.worlds import find_world
from turns import parser

PADDED = 64  # tokens, as the project was first written
WORDS = 50_257  # of GPT-2's own vocabulary, which it was first written with
HELD_OUT = ["1,0,1,0,1", "0,1,1,1,0", "1,1,0,0,1", "0,0,1,1,1", "1,1,1,0,0", "0,0,0,1,0"]


def training_options(about: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark that trains to an end."""
    options = parser(about, rounds=3, threads=1)
    options.add_argument("--epochs", type=int, default=3)
    options.add_argument("--rows", type=int, default=20_000)
    return options


@contextmanager
def default_config(rows: int = 20_000) -> Iterator[tuple[TrainConfig, Path]]:
    """The default training on a fresh dataset, six of 32 states held out, and a scratch folder."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "dataset"
        generate(find_world("causal"), HoldOut(sequences=HELD_OUT), Sizes(train=rows), 42, data)
        yield TrainConfig(dataset=str(data)), Path(folder)


def hf_trainer(
    config: TrainConfig,
    scratch: Path,
    callbacks: Sequence[TrainerCallback],
    *,
    pad_to: int = 0,
    words: int | None = None,
    **arguments: Any,
) -> Trainer:
    """A Trainer of the same model on the same rows, in fp32; with `words`, of that vocabulary."""
    job = prepare(config)
    set_seed(config.seed)
    shape = job.model.config.to_dict() | ({"vocab_size": words} if words else {})
    pad = pad_id(job.tokenizer)
    pairs = read_dataset(config.dataset)["train"]
    encoded = {pair: encode(job.tokenizer, *pair).ids for pair in set(pairs)}

    def row(ids: tuple[int, ...]) -> dict[str, list[int]]:
        filler = max(0, pad_to - len(ids))
        return {
            "input_ids": [*ids, *[pad] * filler],
            "attention_mask": [1] * len(ids) + [0] * filler,
            "labels": [*ids, *[-100] * filler],
        }

    return Trainer(
        model=GPT2LMHeadModel(GPT2Config(**shape)),
        args=TrainingArguments(
            output_dir=str(scratch / "trainer"),
            per_device_train_batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            **arguments,
        ),
        train_dataset=[row(encoded[pair]) for pair in pairs],
        callbacks=[*callbacks],
    )
