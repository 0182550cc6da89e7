"""Experiments on programs from a notebook, with the models kept in memory between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from the_experiment.base import defaults
from the_experiment.base.defaults import Device, Dtype
from the_experiment.experiments.programs.analysis import (
    PLOT,
    SHOWN,
    accuracy_figure,
    errors_of,
    outcome_of,
)
from the_experiment.experiments.programs.cells import run_programs
from the_experiment.experiments.programs.config import ExperimentConfig, programs_folder
from the_experiment.experiments.programs.results import ProgramResults, of_lengths, read_samples
from the_experiment.models.pretrained import KeptModels
from the_experiment.report.outcome import outcome_view, write_outcome
from the_experiment.report.plots import write_figure
from the_experiment.report.terminal import stdout

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ExperimentRunner:
    """Runs experiments, and keeps each model that it has loaded until told to let it go.

    Results go to `programs/NAME/` in `out`, where trained models are also looked for by name. Every
    method raises `ExperimentError` for what is not there.
    """

    def __init__(self, out: Path | str = defaults.OUT) -> None:
        self.out = Path(out)
        self._models = KeptModels(self.out)

    def run(self, config: ExperimentConfig, no_cache: bool = False) -> ProgramResults:
        """Ask the models what they have not been asked yet, and write the results.

        With `no_cache` each model is unloaded after it was asked.
        """
        results = run_programs(config, self.out, keep=not no_cache)
        for model in config.models if no_cache else ():
            self.unload_model(model)
        outcome = outcome_of(results).without(results.failed)
        write_outcome(outcome, programs_folder(config.name, self.out))
        return results

    def plot(self, name: str) -> Figure:
        """Accuracy against length; also written to `accuracy.png` beside the results."""
        figure = accuracy_figure(read_samples(name, self.out))
        write_figure(figure, programs_folder(name, self.out) / f"{PLOT}.png")
        return figure

    def analyze_errors(
        self,
        name: str,
        show_programs: bool = False,
        min_seq_len: int | None = None,
        max_seq_len: int | None = None,
    ) -> None:
        """Print which kinds of errors there are, of programs between these lengths."""
        samples = of_lengths(read_samples(name, self.out), min_seq_len, max_seq_len)
        stdout.print(outcome_view(errors_of(samples, SHOWN if show_programs else 0)))

    def preload_models(
        self, names: Sequence[str], device: Device = "auto", dtype: Dtype = "auto"
    ) -> None:
        """Load these models now, so that experiments on them begin at once."""
        for name in names:
            self._models.loaded(name, device, dtype)

    def list_loaded_models(self) -> list[str]:
        """The models in memory."""
        return self._models.names()

    def unload_model(self, name: str) -> None:
        """Free the memory of this model. One that is not loaded is left alone."""
        self._models.unload(name)

    def unload_all_models(self) -> None:
        """Free the memory of all models."""
        for name in self._models.names():
            self._models.unload(name)
