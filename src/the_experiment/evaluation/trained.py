"""A trained run made ready to be asked: model, tokenizer, and the split it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import TRAIN, Run, find_run, find_runs
from the_experiment.data.folder import read_manifest
from the_experiment.data.split import Split
from the_experiment.evaluation.completions import Completion, complete

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
        """The states it was trained on and those held out from it.

        Raises `ExperimentError` for a run trained on data without a world.
        """
        if not self.run.dataset.is_file():
            raise ExperimentError(
                f"{self.name} was trained on data without a world, so no rules can judge it",
                "train it on a folder that `the-experiment generate` wrote",
            )
        return Split(read_manifest(self.run.dataset))

    def complete(self, prompts: Sequence[str]) -> list[Completion]:
        """The graded completion of each prompt."""
        model, tokenizer = self._loaded
        return complete(model, tokenizer, self.split.world, prompts)

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        from the_experiment.models.loading import load, pick_device

        return load(self.run.final, pick_device())


def trained_models(out: Path, only: Sequence[str] = ()) -> list[Trained]:
    """Every complete run in `out`, or those named. Raises `ExperimentError` where there is none."""
    runs = [find_run(out, name) for name in only] if only else find_runs(out)
    if not runs:
        raise ExperimentError(f"no model in {out}/", TRAIN)
    return [Trained(run) for run in runs]
