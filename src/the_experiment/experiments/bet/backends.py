"""What a bet asks of whatever trains and runs its models, and the backend on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from the_experiment.base.defaults import Loss
from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_jsonl, write_text
from the_experiment.base.runs import Run
from the_experiment.experiments.bet.config import PretrainedModel


@dataclass(frozen=True)
class Bounds:
    """A natural-log probability between two ends; where it is known exactly they are equal.

    >>> Bounds(-2.0, -2.0).exact, Bounds(float("-inf"), -9.0).exact
    (True, False)
    """

    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Whether it is a number and no interval."""
        return self.low == self.high


class Backend(Protocol):
    """Trains a model on one arm's rows, and tells how likely it finds answers.

    The model before any tuning is a model like the others: `base` is its id.
    """

    @property
    def base(self) -> str:
        """The model that every arm begins with."""

    def tuned(self, arm: str, rows: Path, folder: Path) -> str:
        """Train on `rows`, or go on with what `folder` holds of it, and give the model's id.

        `rows` is a JSONL file of prompts and completions; what is needed to go on lies in `folder`.
        The id is a folder, or a name at an API. Raises `ExperimentError` where it can't be had.
        """

    def logprobs(self, model: str, asked: Sequence[tuple[str, str]]) -> list[Bounds]:
        """The log-probability of the whole answer to each (prompt, answer), in order."""


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
        from the_experiment.training.config import TuneConfig
        from the_experiment.training.tuning import tune

        told = {"method", "lora_rank", "learning_rate", "batch_size", "device", "precision"}
        if self._chats:
            rows = _without_blanks(rows, folder.with_name("rows-in-chat.jsonl"))
        config = TuneConfig(
            base=self.base,
            rows=str(rows),
            epochs=self.epochs,
            loss=self.loss,
            seed=self.seed,
            accumulate=1,
            chat="chat" if self._chats else "plain",  # as it is asked
            **self.settings.model_dump(include=told),
        )
        run = tune(config, Run(folder), resume=True)
        shutil.rmtree(run.checkpoint, ignore_errors=True)  # there are many models, and all done
        return str(run.folder)

    def logprobs(self, model: str, asked: Sequence[tuple[str, str]]) -> list[Bounds]:
        """Of the answer's own tokens: what comes after it, the end token for one, doesn't count."""
        from the_experiment.models.asking import prompt_text
        from the_experiment.models.pretrained import load_pretrained
        from the_experiment.models.scoring import score

        loaded, tokenizer = load_pretrained(model, self.settings.device, "float32")
        if self._chats:
            asked = [(prompt_text(tokenizer, one, "chat"), answer[1:]) for one, answer in asked]
        found = [sum(one.logprobs[:-1]) for one in score(loaded, tokenizer, asked)]
        return [Bounds(logprob, logprob) for logprob in found]

    @cached_property
    def _chats(self) -> bool:
        """Whether the model is asked in its chat template."""
        return chats(self.settings)


def _without_blanks(rows: Path, place: Path) -> Path:
    """The same rows, with completions as they stand in a chat: without the blank before them."""
    found = [{**row, "completion": row["completion"].lstrip()} for row in read_jsonl(rows)]
    write_text(place, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))
    return place


def chats(settings: PretrainedModel) -> bool:
    """Whether a model is asked in its chat template: where it has one, unless told otherwise.

    Raises `UsageError` where it is told to, and there is none.
    """
    from the_experiment.models.loading import saved_tokenizer

    if settings.chat == "plain":
        return False
    template = bool(saved_tokenizer(Path(settings.model)).chat_template)
    if settings.chat == "chat" and not template:
        raise UsageError(f"the tokenizer of {settings.model} has no chat template", "chat: plain")
    return template


def resolved(settings: PretrainedModel, out: Path) -> PretrainedModel:
    """The same settings with the folder of the model: runs by name are those in `out`."""
    from the_experiment.models.pretrained import find_model

    return settings.model_copy(update={"model": str(find_model(settings.model, out))})


def first_token(settings: PretrainedModel) -> Callable[[str], int]:
    """What tells the first token of an answer, which begins with a blank unless in a chat."""
    from the_experiment.models.loading import saved_tokenizer
    from the_experiment.models.texts import prompt_ids

    tokenizer, skipped = saved_tokenizer(Path(settings.model)), int(chats(settings))
    return lambda answer: prompt_ids(tokenizer, answer[skipped:])[0]
