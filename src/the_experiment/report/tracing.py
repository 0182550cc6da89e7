"""What tracing of programs found, on disk: every patch, the shares, pictures and a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape

from the_experiment.base.files import write_json
from the_experiment.engine.outcome import HeatMap
from the_experiment.inside.tracing_cells import TracingResults
from the_experiment.report.heatmaps import heat_map_view, hover_map, write_picture
from the_experiment.report.html import write_page
from the_experiment.report.outcome import HIGHEST, WIDEST, plotly_beside

EVERY, SHARES, PAGE = "intervention_results.json", "patch_results.json", "maps.html"


def write_tracing(results: TracingResults, folder: Path) -> list[Path]:
    """Write both JSON files and the maps into `folder`; return the pictures."""
    write_json(folder / EVERY, results.intervention_results)
    write_json(folder / SHARES, results.patch_results)
    return write_tracing_maps(results, folder)


def write_tracing_maps(results: TracingResults, folder: Path) -> list[Path]:
    """A picture of each kind of map for each cell, and one page with all of them."""
    pictures = []
    for title, kinds in _maps(results).items():
        for kind, maps in kinds.items():
            slug = re.sub(r"[^a-z0-9]+", "-", f"{title} {kind}".lower())
            pictures.append(folder / f"{slug}.png")
            write_picture(maps, pictures[-1])
    write_page(
        folder / PAGE,
        "tracing.html",
        title=f"Causal tracing: {Path(results.request.model).name}",
        script=plotly_beside(folder),
        cells=[
            (title, results.patch_results[title]["sentences"], _hovering(kinds))
            for title, kinds in _maps(results).items()
        ],
        failed=results.failed,
    )
    return pictures


def tracing_view(results: TracingResults) -> Group:
    """Each cell's shares, where a terminal can hold them, and what they say."""
    shown: list[RenderableType] = []
    for title, kinds in _maps(results).items():
        shares = [maps[0] for maps in kinds.values()]
        fitting = [m for m in shares if len(m.columns) <= WIDEST and len(m.rows) <= HIGHEST]
        told = results.patch_results[title]["sentences"]
        shown += [*map(heat_map_view, fitting), *map(escape, told), ""]
    return Group(*shown, *(escape(f"{title}: {why}") for title, why in results.failed.items()))


def _maps(results: TracingResults) -> dict[str, dict[str, list[HeatMap]]]:
    """The maps by cell and kind."""
    return {
        title: {
            kind: [HeatMap.from_json(one) for one in maps] for kind, maps in cell["maps"].items()
        }
        for title, cell in results.patch_results.items()
    }


def _hovering(kinds: dict[str, list[HeatMap]]) -> list[Any]:
    return [hover_map(one) for maps in kinds.values() for one in maps]
