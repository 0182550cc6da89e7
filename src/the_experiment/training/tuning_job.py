"""Everything a fine-tuning needs before its first step: the model, and rows as tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from the_experiment.base.defaults import Chat
from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl, sha256
from the_experiment.base.seeds import Stream, derived_seed
from the_experiment.data.folder import checked_rows
from the_experiment.models.asking import prompt_text
from the_experiment.models.loading import pick_device
from the_experiment.models.pretrained import find_model, load_pretrained, which_weights
from the_experiment.models.scoring import max_positions
from the_experiment.models.texts import Encoded, encode, unknown_in
from the_experiment.training.config import TuneConfig
from the_experiment.training.hardware import Precision, pick_precision
from the_experiment.training.rows import IGNORED

SHORTEN = "shorten or remove that row, or tune a model with a longer context"
KNOWN = "remove that row, or tune a model that was trained on such texts"
FILL = "write a text, or remove that row"

Labelled = dict[str, list[int]]  # `input_ids` and `labels`, as trl's trainer takes them


@dataclass(frozen=True)
class TuningRows:
    """The rows of a file: their texts, the prompt as it is put to the model, and their tokens."""

    pairs: list[tuple[str, str]]
    encoded: list[Encoded]

    def labelled(self, *, completion_only: bool) -> list[Labelled]:
        """Each row with the tokens that carry a loss as labels; the end token always does."""
        return [
            {
                "input_ids": [*one.ids],
                "labels": [
                    *([IGNORED] * len(one.prompt) if completion_only else one.prompt),
                    *one.completion,
                ],
            }
            for one in self.encoded
        ]


def read_tuning_rows(
    path: Path, tokenizer: PreTrainedTokenizerBase, positions: int | None, chat: Chat = "auto"
) -> TuningRows:
    """The rows of a JSONL file with the columns `prompt` and `completion`, in their order.

    Prompt and completion are made tokens each alone, so that a prompt is the same when the model
    is asked; trl would let tokens grow together where they meet. Raises `ExperimentError` with the
    number of the line for a torn line, a column that is missing or empty, characters that the
    tokenizer doesn't know, and more tokens than `positions` (None: there is room for any number).
    """
    if not path.is_file():
        raise ExperimentError(f"there is no file {path}", "give rows of prompt and completion")
    rows = checked_rows(read_jsonl(path), str(path))
    if not rows:
        raise ExperimentError(f"{path} has no rows", "write one object per line into it")
    pairs, encoded = [], []
    for number, row in enumerate(rows, start=1):
        prompt, completion = row["prompt"], row["completion"]
        where = f"{path}, line {number}"
        for key in ("prompt", "completion"):
            if not row[key].strip():
                raise ExperimentError(f"{where} has an empty {key}", FILL)
        asked = prompt_text(tokenizer, prompt, chat)
        one = encode(tokenizer, asked, completion)
        for what, hint in _harms(one, asked + completion, tokenizer, positions):
            raise ExperimentError(f"{where} {what}", hint)
        pairs.append((asked, completion))
        encoded.append(one)
    return TuningRows(pairs, encoded)


def _harms(
    row: Encoded, text: str, tokenizer: PreTrainedTokenizerBase, positions: int | None
) -> Iterator[tuple[str, str]]:
    """Why a model can't learn from this row, and what to do about it."""
    if positions is not None and len(row.ids) > positions:
        yield f"has {len(row.ids)} tokens, more than the context length, {positions}", SHORTEN
    lost = unknown_in(tokenizer, text)
    if lost:
        yield f"has characters that the model does not know ({lost})", KNOWN


@dataclass(frozen=True)
class TuneJob:
    """A model with what of it is trained, and the rows it is to learn from."""

    config: TuneConfig
    base: Path
    model: PreTrainedModel  # with LoRA: peft's model around it
    tokenizer: PreTrainedTokenizerBase
    train: TuningRows
    valid: TuningRows | None
    device: torch.device
    precision: Precision

    @property
    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that are trained, by name."""
        return {name: one for name, one in self.model.named_parameters() if one.requires_grad}

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        rows = self.config.epochs * len(self.train.encoded)
        return -(-rows // (self.config.batch_size * self.config.accumulate))

    def rows_after(self, steps: int) -> list[Labelled]:
        """What is still to be learnt after so many steps: one pass after the other.

        Each pass has an order of its own, which follows from the seed.
        """
        rows = self.train.labelled(completion_only=self.config.loss == "completion")
        order = [
            int(place)
            for epoch in range(self.config.epochs)
            for place in Stream(self.config.seed, "order", epoch).shuffled(len(rows))
        ]
        done = steps * self.config.batch_size * self.config.accumulate
        return [rows[place] for place in order[done:]]

    @property
    def fingerprint(self) -> str:
        """A SHA-256 of base and rows: equal where a tuning of them is the same."""
        parts = [which_weights(self.base), sha256(Path(self.config.rows))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def prepare_tuning(config: TuneConfig, out: Path) -> TuneJob:
    """Read base and rows; runs are looked for by name in `out`.

    The base is read as it is, in fp32, and never written to. Raises `ExperimentError` for a base
    or rows that can't be used.
    """
    device = pick_device(config.device)
    base = find_model(config.base, out)
    model, tokenizer = load_pretrained(base, config.device, "float32", out)
    if model.base_model is model:  # trl takes what the layers below the head say
        raise ExperimentError(
            f"the model in {base}/ can't be tuned (it has no layers apart from its head)",
            "choose a transformer, such as GPT-2, Llama or Qwen",
        )
    train = read_tuning_rows(Path(config.rows), tokenizer, max_positions(model), config.chat)
    valid = None
    if config.valid is not None:
        valid = read_tuning_rows(Path(config.valid), tokenizer, max_positions(model), config.chat)
    if config.method == "lora":
        model = with_lora(model, config)
    precision = pick_precision(config.precision, device, model)
    return TuneJob(config, base, model, tokenizer, train, valid, device, precision)


def with_lora(model: PreTrainedModel, config: TuneConfig) -> PreTrainedModel:
    """The model with small matrices beside all its linear layers; only these are trained.

    What they add is zero at first (Hu et al. 2021, arXiv 2106.09685). The head and the embedding,
    which often are one matrix, stay as they are.
    """
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(derived_seed(config.seed, "adapter"))
    adapter = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules="all-linear",
        # GPT-2's linear layers keep their weights turned.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="CAUSAL_LM",
    )
    adapted: PreTrainedModel = get_peft_model(model, adapter)
    return adapted
