"""A comparison as tables for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from the_experiment.evaluation.compare import Comparison, Contestant
from the_experiment.worlds import EXACT


def comparison_view(comparison: Comparison) -> Group:
    """Two tables, held-out and seen, the verdict on each model, and whether the split can tell."""
    lines: list[RenderableType] = [
        f"[bold]World {comparison.world}[/], held out: {escape(comparison.hold_out)}. "
        "Each cell: right/states \\[Wilson 95% interval].",
    ]
    for title, states, in_all in (
        ("held-out", comparison.held_out_states, comparison.held_out_in_all),
        ("seen", comparison.seen_states, comparison.seen_in_all),
    ):
        sample = f"{states:,} of " if states < in_all else ""
        lines += ["", _table(comparison, title, f"{sample}{in_all:,}")]
    lines += [""]
    lines += [
        f"[bold]{escape(name)}[/]: {escape(str(verdict))}"
        for name, verdict in comparison.verdicts.items()
    ]
    if comparison.cannot_separate:
        lines += ["", f"[yellow]{comparison.cannot_separate}[/]"]
    return Group(*lines)


def _table(comparison: Comparison, title: str, states: str) -> Table:
    table = Table(f"{states} {title} states", EXACT, *comparison.parts, box=None, pad_edge=False)
    for contestant in comparison.contestants:
        table.add_row(*cells(contestant, comparison, title == "held-out"), style=_style(contestant))
    return table


def cells(contestant: Contestant, comparison: Comparison, held_out: bool) -> list[str]:
    """A name and its rates, for one row of a table."""
    rates = contestant.held_out if held_out else contestant.seen
    return [
        escape(contestant.name),
        *(escape(str(rates[name])) for name in (EXACT, *comparison.parts)),
    ]


def _style(contestant: Contestant) -> str:
    return "bold" if contestant.is_model else "dim"
