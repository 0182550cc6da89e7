"""A bet with a model that is here: tuned and asked on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from the_experiment.base.choices import Loss
from the_experiment.base.runs import Run
from the_experiment.experiments.bet.backends import Bounds
from the_experiment.experiments.bet.config import PretrainedModel


@dataclass(frozen=True)
class PretrainedBackend:
    """A `Backend`: models are folders, `settings.model` the one before any tuning."""

    settings: PretrainedModel
    epochs: int
    loss: Loss
    seed: int

    @property
    def base(self) -> str:
        """The model that every arm begins with."""
        return self.settings.model

    def tuned(self, arm: str, rows: Path, folder: Path) -> str:  # noqa: ARG002 - the folder is its
        """Tune into `folder`, or go on there. Raises what `tune` raises."""
        from the_experiment.training.tuning import tune
        from the_experiment.training.tuning_config import TuneConfig

        told = {"method", "lora_rank", "learning_rate", "batch_size", "device", "precision"}
        config = TuneConfig(
            base=self.base,
            rows=str(rows),
            epochs=self.epochs,
            loss=self.loss,
            seed=self.seed,
            accumulate=1,
            chat="plain",  # as it is asked
            **self.settings.model_dump(include=told),
        )
        run = tune(config, Run(folder), resume=True)
        shutil.rmtree(run.checkpoint, ignore_errors=True)  # there are many models, and all done
        return str(run.folder)

    def logprobs(self, model: str, asked: Sequence[tuple[str, str]]) -> list[Bounds]:
        """Of the answer's own tokens: what comes after it, the end token for one, doesn't count."""
        from the_experiment.models.pretrained import load_pretrained
        from the_experiment.models.scoring import score

        loaded = load_pretrained(model, self.settings.device, "float32")
        found = [sum(one.logprobs[:-1]) for one in score(*loaded, asked)]
        return [Bounds(logprob, logprob) for logprob in found]


def placed(settings: PretrainedModel, out: Path) -> PretrainedModel:
    """The same settings with the folder of the model: runs by name are those in `out`."""
    from the_experiment.models.pretrained import find_model

    return settings.model_copy(update={"model": str(find_model(settings.model, out))})


def first_token(model: str) -> Callable[[str], int]:
    """What tells the first token of an answer, in this model's tokenizer."""
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.models.texts import prompt_ids

    _, tokenizer = load_pretrained(model, "cpu")
    return lambda answer: prompt_ids(tokenizer, answer)[0]
