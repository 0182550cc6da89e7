"""What tracing gave, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        told = [told for cell in self.patch_results.values() for told in cell["sentences"]]
        return told + [f"{title}: {why}" for title, why in self.failed.items()]

    @classmethod
    def of(cls, request: TracingRequest, results: Mapping[str, Any]) -> TracingResults:
        """From the results of the cells, by title."""
        return cls(
            request,
            {title: cell["patch_results"] for title, cell in results.items()},
            {title: cell["intervention_results"] for title, cell in results.items()},
        )
