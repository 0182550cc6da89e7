"""How long until every seen state is exact: `train --until-fit` beside transformers' Trainer.

    python benchmarks/until_exact.py --rounds 3 --threads 1

Both train the default GPT-2 on the default world, with another seed each round, and stop by the
same rule: every 20 steps all seen states are checked, and once all are exact in so many checks in
a row as our loop asks for, it is over. The Trainer is as the project was first written: padded to
64 tokens, a learning rate that falls to zero over three epochs, in fp32, a `generate` call for
each state that is checked; a second one is checked in one forward, as ours is. One that isn't
exact after three epochs has taken at least so long. Seconds include data, model and checks; of the
compiled step they include compiling, or finding it compiled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.trainer_callback import TrainerCallback

from hf_trainer import PADDED, default_config, hf_trainer, training_options
from the_experiment.base.runs import Run
from the_experiment.models.texts import end_id, pad_id
from the_experiment.training import fit
from the_experiment.training.config import TrainConfig
from the_experiment.training.job import Job, prepare
from the_experiment.training.loop import train
from the_experiment.training.rows import IGNORED
from turns import OURS, print_ratios, taken, timed


class StopWhenExact(TrainerCallback):  # type: ignore[misc,unused-ignore]  # Any there
    """Ends a training after so many exact checks in a row."""

    def __init__(self, exact: Callable[[PreTrainedModel], bool]) -> None:
        self.exact, self.streak = exact, 0

    def on_step_end(self, _: Any, state: Any, control: Any, **given: Any) -> None:
        """Check, every so many steps."""
        if state.global_step % fit.EVERY == 0:
            model = given["model"]
            model.eval()
            self.streak = self.streak + 1 if self.exact(model) else 0
            model.train()
            control.should_training_stop = self.streak >= fit.IN_A_ROW


def one_by_one(job: Job) -> Callable[[PreTrainedModel], bool]:
    """A `generate` call for each state, until one is wrong."""
    rows = zip(job.train.inputs, job.train.answers, job.train.lengths.tolist(), strict=True)
    asked = []
    for inputs, answers, length in rows:
        first = int((answers[:length] != IGNORED).nonzero()[0])
        asked.append((inputs[None, : first + 1], answers[first:length]))

    @torch.inference_mode()
    def exact(model: PreTrainedModel) -> bool:
        ends: dict[str, Any] = {
            "eos_token_id": end_id(job.tokenizer),
            "pad_token_id": pad_id(job.tokenizer),
        }
        return all(
            torch.equal(
                model.generate(  # type: ignore[operator,unused-ignore]
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    max_new_tokens=len(answer),
                    do_sample=False,
                    **ends,
                )[0, prompt.shape[1] :],
                answer,
            )
            for prompt, answer in asked
        )

    return exact


def trained_by_trainer(config: TrainConfig, scratch: Path, *, alone: bool) -> None:
    """Until exact; each state checked by a call of its own if `alone`."""
    job = prepare(config)
    exact = one_by_one(job) if alone else lambda model: fit.FitCheck(model, job.train).check()
    stop = StopWhenExact(exact)
    trainer = hf_trainer(
        config, scratch, [stop], pad_to=PADDED, num_train_epochs=float(config.epochs)
    )
    trainer.train()
    print(f"Trainer: {trainer.state.global_step} steps, exact {stop.streak} times", flush=True)


def trained_by_us(config: TrainConfig, scratch: Path) -> None:
    """Until exact, by `train --until-fit`."""
    run = Run(scratch / f"run-{time.perf_counter_ns()}")
    fitted = train(config.model_copy(update={"until_fit": True}), run)
    print(f"{OURS}: {fitted.steps} steps", flush=True)


def seed_by_seed(
    config: TrainConfig, train_one: Callable[[TrainConfig], None]
) -> Callable[[], float]:
    """A turn that trains with seed 1, then 2, and so on."""
    seeds = count(1)
    return timed(lambda: train_one(config.model_copy(update={"seed": next(seeds)})))


def main() -> None:
    """Run the turns and print the table."""
    given = training_options(__doc__).parse_args()
    torch.set_num_threads(given.threads)
    with default_config(given.rows) as (default, scratch):
        config = default.model_copy(update={"epochs": given.epochs, "threads": given.threads})
        compiled = config.model_copy(update={"compiled": True})
        ways: dict[str, tuple[TrainConfig, Callable[[TrainConfig], None]]] = {
            "Trainer, a generate call a state": (
                config,
                partial(trained_by_trainer, scratch=scratch, alone=True),
            ),
            "Trainer, one forward a check": (
                config,
                partial(trained_by_trainer, scratch=scratch, alone=False),
            ),
            OURS: (config, partial(trained_by_us, scratch=scratch)),
            f"{OURS}, compiled": (compiled, partial(trained_by_us, scratch=scratch)),
        }
        turns = {name: seed_by_seed(*way) for name, way in ways.items()}
        print_ratios("a training", taken(turns, given.rounds), prepare(config).precision)


if __name__ == "__main__":
    main()
