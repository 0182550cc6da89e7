"""What tracing of programs found: heat maps of each length and number of hops, and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.experiments.tracing.results import TracingResults
from the_experiment.report.heatmaps import write_picture

EVERY = "intervention_results.json"
ABOUT = (
    "What a layer holds at a token, or a head writes, comes from the run of the same program with "
    "another constant. Counted is how often the answer became the counterfactual one."
)


def outcome_of(results: TracingResults) -> Outcome:
    """All maps, and what they say."""
    return Outcome(
        title=f"Causal tracing: {Path(results.request.model).name}",
        about=[ABOUT],
        sentences=results.sentences,
        maps=[one for _, _, maps in _maps(results) for one in maps],
        figures=results.patch_results,
        files={EVERY: results.intervention_results},
    )


def write_pictures(results: TracingResults, folder: Path) -> list[Path]:
    """A picture of each kind of map for each length and number of hops."""
    pictures = []
    for title, kind, maps in _maps(results):
        slug = re.sub(r"[^a-z0-9]+", "-", f"{title} {kind}".lower())
        pictures.append(folder / f"{slug}.png")
        write_picture(maps, pictures[-1])
    return pictures


def _maps(results: TracingResults) -> Iterator[tuple[str, str, list[HeatMap]]]:
    """The maps by cell and kind."""
    for title, cell in results.patch_results.items():
        for kind, maps in cell["maps"].items():
            yield title, kind, [HeatMap.from_json(one) for one in maps]
