"""What came out of an experiment on programs: files, a plot, and tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape

from the_experiment.base.files import replaced_file, write_json
from the_experiment.base.words import counted
from the_experiment.evaluation.programs.cells import NOT_KNOWN, TOO_LONG
from the_experiment.evaluation.programs.config import folder_of
from the_experiment.evaluation.programs.errors import kind_of_error, wrong_answers
from the_experiment.evaluation.programs.runner import RESULTS, Outcome, Sample
from the_experiment.evaluation.programs.summary import (
    COMMONEST,
    FIRST,
    Row,
    rows_by_hops,
    rows_of,
    summary,
)
from the_experiment.evaluation.statistics import Rate
from the_experiment.report.blocks import Blocks
from the_experiment.report.plots import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT, SUMMARY = "accuracy.png", "summary.json"
MARKERS = "osD^v"  # by number of hops
DASHES = {COMMONEST: "--", FIRST: ":"}
RIGHT = "right"
SHOWN = 10  # wrong answers in full, where they are asked for


def write_results(outcome: Outcome, out: Path) -> Path:
    """Write `results.json`, `summary.json` and `accuracy.png`; return the folder they lie in."""
    folder = folder_of(outcome.config.name, out)
    write_json(folder / RESULTS, [asdict(sample) for sample in outcome.samples])
    write_json(folder / SUMMARY, summary(outcome))
    write_plot(outcome.samples, folder)
    return folder


def write_plot(samples: Sequence[Sample], folder: Path) -> Figure:
    """Write `accuracy.png` into the folder, and return the figure."""
    figure = accuracy_figure(samples)
    with replaced_file(folder / PLOT) as path:
        figure.savefig(path, format="png", dpi=110)
    return figure


def accuracy_figure(samples: Sequence[Sample]) -> Figure:
    """Accuracy against length: a line and its 95% intervals for each model and number of hops."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    axes = figure.subplots()
    rows = rows_of(samples)
    hops = list(dict.fromkeys(row.num_hops for row in rows))
    markers = {hop: MARKERS[place % len(MARKERS)] for place, hop in enumerate(hops)}
    _draw_lines(axes, rows, short_names(samples), markers)
    _draw_baselines(axes, rows, markers)
    axes.set_xticks(sorted({one.seq_len for one in samples}))
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("length of the program")
    axes.set_ylabel("share of right answers")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _draw_lines(
    axes: Axes, rows: Sequence[Row], names: Mapping[str, str], markers: Mapping[int | None, str]
) -> None:
    """A colour for each model, a marker for each number of hops."""
    lines: dict[tuple[str, int | None], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.seq_len or 0):
        if row.right.n:
            lines.setdefault((row.model, row.num_hops), []).append(row)
    for (model, hop), line in lines.items():
        colour = f"C{list(names).index(model) % 10}"
        lengths, rates = [row.seq_len or 0 for row in line], [row.right for row in line]
        label = f"{_line_name(names[model], hop)} (n = {_span([rate.n for rate in rates])})"
        shares = [rate.share for rate in rates]
        axes.plot(
            lengths, shares, color=colour, marker=markers[hop], label=label.replace("$", r"\$")
        )
        low, high = [rate.low for rate in rates], [rate.high for rate in rates]
        axes.fill_between(lengths, low, high, color=colour, alpha=0.13, linewidth=0)


def _draw_baselines(axes: Axes, rows: Sequence[Row], markers: Mapping[int | None, str]) -> None:
    """Those on the first model's programs: each model is asked the same."""
    lines: dict[tuple[str, int | None], dict[int, Rate]] = {}
    for row in sorted(rows, key=lambda row: row.seq_len or 0):
        for name, rate in row.baselines.items() if row.model == rows[0].model else ():
            lines.setdefault((name, row.num_hops), {})[row.seq_len or 0] = rate
    for (name, hops), rates in sorted(lines.items(), key=lambda line: line[0][0]):
        axes.plot(
            list(rates),
            [rate.share for rate in rates.values()],
            DASHES[name],
            marker=markers[hops],
            markersize=4,
            markerfacecolor="white",
            color=INK,
            linewidth=1,
            label=_line_name(name, hops),
        )


def results_table(outcome: Outcome) -> Group:
    """Right answers by model and hops (rows) and length (columns), for the terminal."""
    rows, names = rows_of(outcome.samples), short_names(outcome.samples)
    lengths = sorted({row.seq_len for row in rows if row.seq_len is not None})
    table = Blocks(["right answers", *(f"length {length}" for length in lengths), "all"])
    for told, style in ((_told, "bold"), (_baselines_told, "dim")):
        lines: dict[str, dict[int | None, str]] = {}
        for row in [*rows, *rows_by_hops(outcome.samples)]:
            for line, cell in told(names[row.model], row).items():
                lines.setdefault(line, {})[row.seq_len] = cell
        for line, cells in lines.items():
            shown = [cells.get(length, "") for length in [*lengths, None]]
            table.add_row([*map(escape, [line, *shown])], style=style)
    note = "Each cell: right/asked [Wilson 95% interval]. Baselines answer the same programs."
    return Group(table, "", f"[dim]{escape(note)}[/]", *_not_asked(outcome.samples))


def _not_asked(samples: Sequence[Sample]) -> list[str]:
    """Of each reason for which programs are not asked: the first, and what to do."""
    from the_experiment.models.asking import SHORTEN

    mends = {TOO_LONG: SHORTEN, NOT_KNOWN: "ask a model that was trained on such programs"}
    reasons = [one.reason for one in samples if one.response is None]
    first = {reason.partition(":")[0]: reason for reason in reversed(reasons)}
    return [f"[yellow]{escape(reason)}: {mends[kind]}[/]" for kind, reason in first.items()]


def _told(name: str, row: Row) -> dict[str, str]:
    """What is said of a model, line by line."""
    told = {_line_name(name, row.num_hops): str(row.right)}
    if row.unparsed.k:
        told[f"  {_line_name(name, row.num_hops)}: no value read"] = str(row.unparsed)
    if row.not_asked:
        told[f"  {_line_name(name, row.num_hops)}: not asked"] = str(row.not_asked)
    return told


def _baselines_told(_: str, row: Row) -> dict[str, str]:
    """The same for every model, as the programs are."""
    return {_line_name(name, row.num_hops): str(rate) for name, rate in row.baselines.items()}


def errors_view(samples: Sequence[Sample], programs: int = 0) -> Group:
    """Kinds of errors by model, and so many of the wrong samples in full."""
    wrong = wrong_answers(samples)
    kinds = Counter((one.model, kind_of_error(one)) for one in wrong)
    columns = sorted({kind for _, kind in kinds})
    table = Blocks(["wrong answers", *columns, "all"])
    for model, name in short_names(samples).items():
        counts = [kinds[model, kind] for kind in columns]
        asked = [one for one in samples if one.model == model and one.response is not None]
        rate = Rate(sum(counts), len(asked))
        table.add_row([*map(escape, [name, *map(str, counts), str(rate)])], style="")
    return Group(table, *(_shown(*one) for one in enumerate(wrong[:programs], start=1)))


def _shown(number: int, wrong: Sample) -> str:
    read = wrong.reason if wrong.value is None else wrong.value
    return (
        f"\n[bold]{number}. {escape(wrong.model)}[/]: {kind_of_error(wrong)}\n"
        f"{escape(wrong.program)}\n"
        f"right: {wrong.expected}, read: {escape(str(read))}, wrote: {escape(repr(wrong.response))}"
    )


def short_names(samples: Sequence[Sample]) -> dict[str, str]:
    """The last part of each model's name, where it is enough to tell them apart."""
    names = list(dict.fromkeys(one.model for one in samples))
    lasts = [Path(name).name for name in names]
    return dict(zip(names, lasts if len(set(lasts)) == len(lasts) else names, strict=True))


def _line_name(name: str, hops: int | None) -> str:
    """`NAME, 2 hops`."""
    return name if hops is None else f"{name}, {counted(hops, 'hop')}"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}–{high}"
