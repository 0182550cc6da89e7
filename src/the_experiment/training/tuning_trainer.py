"""trl's trainer, set up to go on from any step of a tuning as if it had made those before it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback, get_cosine_schedule_with_warmup
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from the_experiment.base.errors import ExperimentError
from the_experiment.base.seeds import derived_seed
from the_experiment.models.texts import pad_id
from the_experiment.training.step import MOMENTS
from the_experiment.training.tuning_job import TuneJob

State = dict[str, torch.Tensor]

WEIGHTS = "parameters"
# Renamed within transformers 5, where the older name warns from then on.
_NAMES = ("activation_checkpointing", "gradient_checkpointing")
RECOMPUTES = next(name for name in _NAMES if name in SFTConfig.__dataclass_fields__)


def trainer_from(
    job: TuneJob, step: int, state: Mapping[str, torch.Tensor], told: TrainerCallback, folder: Path
) -> SFTTrainer:
    """A trainer that makes the steps after `step`. `told` hears of each; nothing is written.

    `state` is what `state_of` gave after `step` steps, and is empty before the first; its weights
    are in the model already.
    """
    if torch.cuda.device_count() > 1 and job.device.type == "cuda":
        raise ExperimentError(
            "trl tunes on one GPU per process, and this machine has more",
            "select one: CUDA_VISIBLE_DEVICES=0",
        )
    trainer = SFTTrainer(
        model=job.model,
        args=_arguments(job, folder),
        train_dataset=Dataset.from_list(job.rows_after(step)),
        processing_class=job.tokenizer,
        data_collator=DataCollatorForLanguageModeling(pad_token_id=pad_id(job.tokenizer)),
        callbacks=[told],
    )
    trainer.remove_callback(PrinterCallback)
    optimizer = trainer.create_optimizer()
    if state:
        _load_moments(job, optimizer, state, step)
    for group in optimizer.param_groups:
        group["initial_lr"] = job.config.learning_rate
    warmup = math.ceil(job.config.warmup * job.steps)  # as transformers rounds it
    trainer.lr_scheduler = get_cosine_schedule_with_warmup(
        optimizer, warmup, job.steps, last_epoch=step - 1
    )
    return trainer


def _arguments(job: TuneJob, folder: Path) -> SFTConfig:
    """What trl is told. Order, rates, checkpoints and figures along the way are ours."""
    config = job.config
    recomputing: dict[str, Any] = {RECOMPUTES: job.device.type == "cuda"}  # slower, less memory
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulate,
        num_train_epochs=1,  # the rows are those of all passes
        train_sampling_strategy="sequential",
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        seed=derived_seed(config.seed, "trainer") % 2**32,
        use_cpu=job.device.type == "cpu",
        bf16=job.precision == "bf16",
        **recomputing,
        use_cache=True,  # in what is saved; while it trains trl uses none
        max_length=None,  # a row that is too long is refused, not cut
        dataset_kwargs={"skip_prepare_dataset": True},  # rows come as tokens with labels
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is no number is to be seen
        save_strategy="no",  # its checkpoints hold pickles
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


def state_of(job: TuneJob, optimizer: Any) -> State:
    """All that later steps depend on: the weights that are trained, and AdamW's means of each."""
    state = {}
    for name, parameter in job.trainable.items():
        state[f"{WEIGHTS}.{name}"] = parameter.detach()
        state |= {f"{moment}.{name}": optimizer.state[parameter][moment] for moment in MOMENTS}
    return state


@torch.no_grad()
def load_weights(job: TuneJob, state: Mapping[str, torch.Tensor]) -> None:
    """Put those of `state_of` into the model."""
    for name, parameter in job.trainable.items():
        parameter.copy_(state[f"{WEIGHTS}.{name}"])


def _load_moments(
    job: TuneJob, optimizer: torch.optim.Optimizer, state: Mapping[str, torch.Tensor], step: int
) -> None:
    for name, parameter in job.trainable.items():
        moments = {moment: state[f"{moment}.{name}"] for moment in MOMENTS}
        optimizer.state[parameter] = {
            "step": torch.tensor(float(step), device=parameter.device),
            **{moment: one.to(parameter.device) for moment, one in moments.items()},
        }
