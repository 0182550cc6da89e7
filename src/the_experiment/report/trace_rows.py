"""What `traces generate` and `traces prepare` say at their end."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from the_experiment.base.files import read_json
from the_experiment.base.words import counted
from the_experiment.data.trace_folder import MANIFEST

TWINS = "left out, as only one of graph and what causes the variable asked about is held out"


def puzzles_summary(folder: Path) -> str:
    """How many puzzles there are, by kind, size and naming."""
    manifest = read_json(folder / MANIFEST)
    lines = [
        f"[bold]{escape(str(folder))}/[/]: {counted(manifest['count'], 'puzzle')} "
        f"with {counted(manifest['graphs'], 'different graph')}"
    ]
    told = {**manifest["counts"], "yes or no": manifest["yes_or_no"]}
    return "\n".join([*lines, *_counts(told)])


def rows_summary(folder: Path) -> str:
    """How many rows and graphs there are on each side."""
    manifest = read_json(folder / MANIFEST)
    rows, graphs = manifest["rows"], manifest["graphs"]
    sides = ", ".join(
        f"{side} {count:,} ({counted(graphs[side], 'graph')})" for side, count in rows.items()
    )
    wrong, twins = manifest["wrong"], manifest["twins"]
    return "\n".join(
        [
            f"[bold]{escape(str(folder))}/[/]: {sides}; no graph is on two sides",
            *([f"{counted(wrong, 'row')} with a wrong answer left out"] if wrong else []),
            *([f"{counted(twins, 'row')} {TWINS}"] if twins else []),
            f"arms: {', '.join(manifest['arms'])}; "
            f"longest {manifest['longest']:,} {manifest['unit']}; tags: "
            + escape(f"{manifest['token']}think" if manifest["token"] else "<think>"),
        ]
    )


def _counts(counts: dict[str, dict[str, int]]) -> list[str]:
    return [
        f"{name}: {', '.join(f'{one} {count:,}' for one, count in found.items())}"
        for name, found in counts.items()
    ]
