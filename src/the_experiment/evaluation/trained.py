"""A trained run made ready to be asked: model, tokenizer, and the split it was trained on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from the_experiment.base import defaults
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.runs import TRAIN, Run, find_run, find_runs, unfinished_runs
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


def trained_models(
    out: Path, world: str | None = None, names: Sequence[str] = defaults.EVERY_MODEL
) -> list[Trained]:
    """The complete runs in `out` that rules can judge; with `world`, those of that world.

    `world` is a name or a YAML file; a warning tells of models of another version of it, and of
    runs that are unfinished or torn. `names` are as for `named_models`. Raises `ExperimentError`
    where there is none but those.
    """
    if list(names) != defaults.EVERY_MODEL:
        models = named_models(names, out)
        return models if world is None else _of_this_world(models, world, out)
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


def named_models(names: Sequence[str], out: Path) -> list[Trained]:
    """The trained models of these names or folders, each once; `*` stands for any characters.

    Raises `UsageError` for a name that there is not, and for two folders of one name, and
    `ExperimentError` for one that is torn; where `*` stands for several, it is left out.
    """
    found = [fitting for name in names for fitting in (_fitting(name, out) or [name])]
    models: dict[Path, Trained] = {}
    for model in (named_model(name, out) for name in found):
        models.setdefault(model.run.folder.resolve(), model)
    by_name = {model.name: model.run.folder for model in models.values()}
    for model in models.values():
        if by_name[model.name] != model.run.folder:
            raise UsageError(
                f"{model.run.folder} and {by_name[model.name]} have the same name",
                "rename one's folder",
            )
    return [*models.values()]


def _fitting(name: str, out: Path) -> list[str]:
    """The names of the whole runs in `out` that it stands for; of the others a warning tells."""
    runs = [run for run in find_runs(out) if run.dataset.is_file() and fnmatch(run.name, name)]
    models = whole_models(runs)
    if models:
        warn_unfinished([run for run in unfinished_runs(out) if fnmatch(run.name, name)])
    return sorted((model.name for model in models), key=_by_number)


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key that puts gpt2-2 before gpt2-10."""
    return [(int(run), "") if run.isdecimal() else (-1, run) for run in re.split(r"(\d+)", name)]


def named_model(name_or_folder: str, out: Path) -> Trained:
    """The trained model of this name in `out`, or in this folder.

    Raises `UsageError` for none, and `ExperimentError` for one that is not finished.
    """
    found = find_run(name_or_folder, out)
    if found and found.dataset.is_file():
        return Trained(found)
    if found or (Path(name_or_folder) / "config.json").is_file():
        raise UsageError(
            f"{name_or_folder} is a model without a world: nothing says which answers are right",
            "ask it questions or programs (`questions run`, `programs run`), or name a run of "
            "`the-experiment train` on data of `the-experiment generate`",
        )
    names = [run.name for run in find_runs(out) if run.dataset.is_file()]
    raise UsageError(
        f"there is no trained model called {name_or_folder!r}",
        f"one of {', '.join(names)}, or the folder of a run"
        if names
        else "run `the-experiment train`, or name the folder of a run with --model",
    )


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
