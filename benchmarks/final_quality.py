"""Whether a faster step trains as good a model: compiled, not compiled, and transformers' Trainer.

    python benchmarks/final_quality.py --rounds 3 --threads 1

Each trains the default GPT-2 on the default world for as many steps (3,750 with the default rows
and epochs), a round with each seed. The loss is that of the validation rows; "right" is how many
of the distinct states are completed exactly, seen and held out.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from hf_trainer import default_config, hf_trainer, training_options
from the_experiment.base.runs import Run
from the_experiment.evaluation.completions import complete
from the_experiment.training.config import TrainConfig
from the_experiment.training.fit import mean_loss
from the_experiment.training.job import prepare
from the_experiment.training.loop import train
from the_experiment.worlds import find_world
from turns import OURS


def by_trainer(config: TrainConfig, scratch: Path) -> PreTrainedModel:
    """A model trained by transformers' Trainer, without padding."""
    trainer = hf_trainer(config, scratch, [], num_train_epochs=float(config.epochs))
    trainer.train()
    model: PreTrainedModel = trainer.model
    return model


def by_us(config: TrainConfig, scratch: Path) -> PreTrainedModel:
    """A model trained by `train`."""
    run = Run(scratch / f"run-{time.perf_counter_ns()}")
    train(config, run)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(run.final)
    return model


def right(model: PreTrainedModel, config: TrainConfig, kind: str) -> str:
    """How many distinct texts of one file of the data set it completes exactly."""
    lines = Path(config.dataset, f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = sorted({json.loads(line)["prompt"] for line in lines})
    written = complete(model, prepare(config).tokenizer, find_world("causal"), prompts)
    return f"{sum(one.exact for one in written)} of {len(prompts)}"


def main() -> None:
    """Train them all, and print a line for each."""
    given = training_options(__doc__).parse_args()
    torch.set_num_threads(given.threads)
    with default_config(given.rows) as (default, scratch):
        shared = {"epochs": given.epochs, "threads": given.threads}
        print(f"{'':30}{'seed':>6}{'loss':>9}{'seen':>12}{'held out':>12}{'seconds':>9}")
        for seed in range(1, given.rounds + 1):
            config = default.model_copy(update={**shared, "seed": seed})
            compiled = config.model_copy(update={"compiled": True})
            ways = {
                OURS: partial(by_us, compiled),
                f"{OURS}, not compiled": partial(by_us, config),
                "Trainer, not padded": partial(by_trainer, config),
            }
            for name, way in ways.items():
                started = time.perf_counter()
                model = way(scratch).eval()
                seconds = time.perf_counter() - started
                valid = prepare(config).valid
                assert valid is not None
                loss = mean_loss(model, valid)
                states = [right(model, config, kind) for kind in ("train", "heldout")]
                print(
                    f"{name:30}{seed:6}{loss:9.4f}{states[0]:>12}{states[1]:>12}{seconds:9.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
