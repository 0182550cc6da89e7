"""Everything a tuning needs before its first step, made from its configuration."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import sha256
from the_experiment.base.seeds import Stream, derived_seed
from the_experiment.models.loading import pick_device
from the_experiment.models.pretrained import find_model, load_pretrained, which_weights
from the_experiment.models.scoring import max_positions
from the_experiment.training.precision import Precision, pick_precision
from the_experiment.training.tuning_config import TuneConfig
from the_experiment.training.tuning_rows import Labelled, TuningRows, read_tuning_rows


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


def prepare(config: TuneConfig, out: Path) -> TuneJob:
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
