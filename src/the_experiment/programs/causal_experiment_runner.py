"""A runner of causal experiments: models stay in memory, and results are kept in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from the_experiment.base import defaults
from the_experiment.base.defaults import PatchTarget
from the_experiment.base.errors import UsageError
from the_experiment.base.words import counted
from the_experiment.experiments.tracing.analysis import TracingResults, outcome_of
from the_experiment.experiments.tracing.cells import run_tracing
from the_experiment.experiments.tracing.config import TracingRequest, tracing_folder
from the_experiment.programs.causal_tracing import checked_pairs
from the_experiment.report.heatmaps import write_picture
from the_experiment.report.outcome import write_outcome
from the_experiment.worlds.programs.chain import chain_of, right_hand_sides

NAME = "causal_tracing"


class CausalExperimentRunner:
    """Traces models, and keeps what it finds in `out/tracing/NAME/`."""

    def __init__(self, out: str | Path = defaults.OUT) -> None:
        self._out = Path(out)

    def run_intervention_experiment(
        self,
        model_id: str,
        programs: Sequence[Mapping[str, Any]] | None = None,
        intervention_type: PatchTarget = "residual_stream",
        num_hops: int | None = None,
        seq_len: int | None = None,
        num_pairs: int = defaults.TRACED_PAIRS,
        seed: int = 0,
        name: str = NAME,
    ) -> TracingResults:
        """Trace these programs, or variable binding programs drawn until so many are right.

        Drawn ones have 5 lines and 2 hops if nothing else is said; given ones must have as many as
        is said. Raises `UsageError` for programs that aren't as they say, and `ExperimentError`
        where the model answers none of them right both ways.
        """
        if programs is None:
            lines = defaults.TRACED_LINES if seq_len is None else seq_len
            hops = defaults.TRACED_HOPS if num_hops is None else num_hops
            request = TracingRequest(
                model_id, intervention_type, (lines,), (hops,), pairs=num_pairs, seed=seed
            )
        else:
            _check_sizes(programs, num_hops, seq_len)
            pairs = checked_pairs(programs)
            request = TracingRequest(model_id, intervention_type, programs=pairs, seed=seed)
        folder = self._folder(name)
        results = run_tracing(request, self._out, folder)
        write_outcome(outcome_of(results).without(results.failed), folder)
        return results

    def plot_intervention_results(self, results: TracingResults, name: str = NAME) -> list[Path]:
        """Draw the maps again; return the pictures."""
        places = []
        for picture, maps in outcome_of(results).pictures.items():
            places.append(self._folder(name) / f"{picture}.png")
            write_picture(maps, places[-1])
        return places

    def _folder(self, name: str) -> Path:
        return tracing_folder(name, self._out)


def _check_sizes(
    programs: Sequence[Mapping[str, Any]], num_hops: int | None, seq_len: int | None
) -> None:
    """Raise `UsageError` for a program with another number of hops or lines than was said."""
    for number, program in enumerate(programs, start=1):
        text = str(program.get("original", ""))
        for told, has, thing in (
            (num_hops, len(chain_of(text)) - 1, "hop"),
            (seq_len, len(right_hand_sides(text)), "line"),
        ):
            if told not in (None, has):
                raise UsageError(
                    f"program {number} has {counted(has, thing)}, not {told}",
                    "leave the number out",
                )
