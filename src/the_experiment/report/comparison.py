"""A comparison as tables for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape

from the_experiment.evaluation.compare import Comparison, Contestant, Rates
from the_experiment.report.blocks import Blocks
from the_experiment.worlds import EXACT


def comparison_view(comparison: Comparison) -> Group:
    """Two tables, held-out and seen, the verdict on each model, and whether the split can tell."""
    lines: list[RenderableType] = [
        f"[bold]World {comparison.world}[/], held out: {escape(comparison.hold_out)}. "
        "Each cell: right/states \\[Wilson 95% interval].",
    ]
    for heading, rows in comparison.tables:
        lines += ["", _table(heading, comparison.parts, rows)]
    lines += ["", f"[dim]{comparison.given}[/]", ""]
    lines += [
        f"[bold]{escape(name)}[/]: {escape(str(verdict))}"
        for name, verdict in comparison.verdicts.items()
    ]
    if comparison.cannot_separate:
        lines += ["", f"[yellow]{comparison.cannot_separate}[/]"]
    return Group(*lines)


def _table(heading: str, parts: list[str], rows: list[tuple[Contestant, Rates]]) -> Blocks:
    table = Blocks([heading, EXACT, *parts])
    for contestant, rates in rows:
        cells = [contestant.name, *(str(rates[name]) for name in (EXACT, *parts))]
        table.add_row([*map(escape, cells)], style="bold" if contestant.is_model else "dim")
    return table
