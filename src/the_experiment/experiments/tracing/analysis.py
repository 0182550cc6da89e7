"""What tracing of programs found: heat maps of each length and number of hops, and sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.experiments.tracing.config import TracingRequest


@dataclass(frozen=True)
class TracingResults:
    """What came out, cell by cell: shares and logits by layer and role, and every single patch."""

    request: TracingRequest
    patch_results: dict[str, dict[str, Any]]
    intervention_results: dict[str, list[dict[str, Any]]]
    failed: dict[str, str] = field(default_factory=dict)  # of what nothing could be traced, and why

    @property
    def sentences(self) -> list[str]:
        """What all cells say."""
        return [said for cell in self.patch_results.values() for said in cell["sentences"]]

    @classmethod
    def of(cls, request: TracingRequest, results: Mapping[str, Any]) -> TracingResults:
        """From the results of the cells, by title."""
        return cls(
            request,
            {title: cell["patch_results"] for title, cell in results.items()},
            {title: cell["intervention_results"] for title, cell in results.items()},
        )


EVERY = "intervention_results.json"
ABOUT = (
    "A layer's activation at a token, or a head's output, is patched in from the run on the same "
    "program with another constant. Counted: how often the answer became the counterfactual one."
)


def outcome_of(results: TracingResults) -> Outcome:
    """All maps, a picture of each kind for each length and number of hops, and what they say."""
    pictures = {
        re.sub(r"[^a-z0-9]+", "-", f"{title} {kind}".lower()): list(map(HeatMap.from_json, maps))
        for title, cell in results.patch_results.items()
        for kind, maps in cell["maps"].items()
    }
    return Outcome(
        title=f"Causal tracing: {Path(results.request.model).name}",
        about=[ABOUT],
        sentences=results.sentences,
        maps=[one for maps in pictures.values() for one in maps],
        pictures=pictures,
        figures=results.patch_results,
        files={EVERY: results.intervention_results},
    )
