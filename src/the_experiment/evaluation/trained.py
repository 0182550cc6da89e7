"""A trained run made ready to be asked: model, tokenizer, and the split it was trained on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import TRAIN, Run, find_runs, unfinished_runs
from the_experiment.data.folder import read_manifest
from the_experiment.data.split import Split
from the_experiment.evaluation.completions import Completion, complete
from the_experiment.worlds import World, find_world

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Trained:
    """A complete run. The model is loaded when it is first asked."""

    run: Run

    @property
    def name(self) -> str:
        """The run's name."""
        return self.run.name

    @cached_property
    def record(self) -> dict[str, Any]:
        """What `run.json` says."""
        return self.run.record()

    @cached_property
    def split(self) -> Split:
        """The states it was trained on and those held out from it."""
        return Split(read_manifest(self.run.dataset, f"{TRAIN} again"))

    def refuse_torn(self) -> None:
        """Raise `ExperimentError` where a file of the run is missing or torn."""
        _ = self.record, self.split.world
        self.run.refuse_torn_model()

    def complete(self, prompts: Sequence[str]) -> list[Completion]:
        """The graded completion of each prompt."""
        model, tokenizer = self.loaded
        return complete(model, tokenizer, self.split.world, prompts)

    @cached_property
    def loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model in evaluation mode, and its tokenizer."""
        from the_experiment.models.pretrained import load_pretrained

        return load_pretrained(self.run.folder)


def trained_models(out: Path, world: str | None = None) -> list[Trained]:
    """The complete runs in `out` that rules can judge; with `world`, those of that world.

    `world` is a name or a YAML file; a warning tells of models of another version of it, and of
    runs that are unfinished or torn. Raises `ExperimentError` where there is none but those.
    """
    runs = find_runs(out)
    if not runs:
        raise _no_model(out)
    warn_unfinished(unfinished_runs(out))
    models = whole_models([run for run in runs if run.dataset.is_file()])
    for run in runs:
        if not run.dataset.is_file():
            logger.warning("{} is left out: its data has no rules to grade it by", run.name)
    if world is not None:
        return _of_this_world(models, world, out)
    if not models:
        raise ExperimentError(
            f"no model to grade by rules in {out}/: their data has no rules",
            "run `the-experiment generate`, then `the-experiment train`",
        )
    return models


def warn_unfinished(runs: Sequence[Run]) -> None:
    """Warn of each that it is left out, and say what to do."""
    for run in runs:
        logger.warning(
            "{} is left out: its training has not finished: {} with --resume", run.name, TRAIN
        )


def whole_models(runs: Sequence[Run]) -> list[Trained]:
    """The models of complete runs; a warning tells of each that is torn, and what to do.

    Raises the first one's `ExperimentError` where all are torn.
    """
    whole: list[Trained] = []
    torn: dict[Run, ExperimentError] = {}
    for model in map(Trained, runs):
        try:
            model.refuse_torn()
            whole.append(model)
        except ExperimentError as error:
            torn[model.run] = error
    if torn and not whole:
        raise next(iter(torn.values()))
    for run, harm in torn.items():
        logger.warning("{} is left out: {}", run.name, harm)
    return whole


def _of_this_world(models: Sequence[Trained], world: str, out: Path) -> list[Trained]:
    asked = find_world(world)
    namesakes = [model for model in models if model.split.world.name == asked.name]
    found = of_world(namesakes, asked)
    if not found:
        version = "this version of " if namesakes else ""
        raise ExperimentError(
            f"no model of {version}world {asked.name} in {out}/",
            f"run `the-experiment generate -w {shlex.quote(world)}`, then `the-experiment train`",
        )
    return found


def of_world(models: Sequence[Trained], world: World) -> list[Trained]:
    """The models of this world; a warning tells of those of others, or of another version of it."""
    for model in models:
        if not model.split.world.same_as(world):
            what = model.split.world.name
            which = f"another version of world {what}" if what == world.name else f"world {what}"
            logger.warning("{} is left out: it was trained on {}", model.name, which)
    return [model for model in models if model.split.world.same_as(world)]


def _no_model(out: Path) -> ExperimentError:
    unfinished = ", ".join(run.name for run in unfinished_runs(out))
    if unfinished:
        return ExperimentError(
            f"no finished model in {out}/ (begun: {unfinished})", f"{TRAIN} with --resume"
        )
    return ExperimentError(f"no model in {out}/", TRAIN)
