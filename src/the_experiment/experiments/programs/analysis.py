"""What came out of an experiment on programs: accuracy by length and hops, and kinds of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from the_experiment.base.words import counted
from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.programs.results import (
    NOT_KNOWN,
    SAMPLES,
    TOO_LONG,
    AccuracyRow,
    ProgramResults,
    Sample,
    kind_of_error,
    rows_by_hops,
    rows_of,
    summary,
    wrong_answers,
)
from the_experiment.report.plots import INK
from the_experiment.worlds.programs.chain import COMMONEST, FIRST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT = "accuracy"  # its file, without the ending
MARKERS = "osD^v"  # by number of hops
DASHES = {COMMONEST: "--", FIRST: ":"}
SHOWN = 10  # wrong answers in full, where they are asked for


def outcome_of(results: ProgramResults) -> Outcome:
    """Right answers by length and hops, beside answers that need no model."""
    config, samples = results.config, results.samples
    return Outcome(
        title=config.name,
        about=[f"Programs of {config.generator}, asked as {config.prompt_template!r}"],
        sentences=_not_asked(samples),
        tables=[_accuracy_table(samples), _errors_table(samples, in_terminal=False)],
        charts=[Chart(PLOT, "Accuracy by length", partial(accuracy_figure, samples))],
        figures=summary(results),
        files={SAMPLES: [asdict(sample) for sample in samples]},
    )


def errors_of(samples: Sequence[Sample], programs: int = 0) -> Outcome:
    """Kinds of errors by model, and so many of the wrong samples in full."""
    shown = enumerate(wrong_answers(samples)[:programs], start=1)
    return Outcome(
        tables=[_errors_table(samples)], sentences=[_shown(number, one) for number, one in shown]
    )


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
    axes: Axes,
    rows: Sequence[AccuracyRow],
    names: Mapping[str, str],
    markers: Mapping[int | None, str],
) -> None:
    """A colour for each model, a marker for each number of hops."""
    lines: dict[tuple[str, int | None], list[AccuracyRow]] = {}
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


def _draw_baselines(
    axes: Axes, rows: Sequence[AccuracyRow], markers: Mapping[int | None, str]
) -> None:
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


def _accuracy_table(samples: Sequence[Sample]) -> Table:
    """Right answers by model and hops (rows) and length (columns)."""
    rows, names = rows_of(samples), short_names(samples)
    lengths = sorted({row.seq_len for row in rows if row.seq_len is not None})
    cells: list[dict[str, dict[int | None, str]]] = [{}, {}]  # of models, and of baselines
    for row in [*rows, *rows_by_hops(samples)]:
        for lines, told in zip(cells, (_told, _baselines_told), strict=True):
            for line, cell in told(names[row.model], row).items():
                lines.setdefault(line, {})[row.seq_len] = cell
    return Table(
        ["right answers", *(f"length {length}" for length in lengths), "all"],
        [
            [line, *(of_line.get(length, "") for length in [*lengths, None])]
            for lines in cells
            for line, of_line in lines.items()
        ],
        baselines=cells[1].keys(),
        note="Each cell: right/asked [Wilson 95% interval]. Baselines answer the same programs.",
    )


def _not_asked(samples: Sequence[Sample]) -> list[str]:
    """Of each reason for which programs are not asked: the first, and what to do."""
    from the_experiment.models.asking import SHORTEN

    hints = {TOO_LONG: SHORTEN, NOT_KNOWN: "ask a model that was trained on such programs"}
    reasons = [one.reason for one in samples if one.response is None]
    first = {reason.partition(":")[0]: reason for reason in reversed(reasons)}
    return [f"{reason}: {hints[kind]}" for kind, reason in first.items()]


def _told(name: str, row: AccuracyRow) -> dict[str, str]:
    """What is said of a model, line by line."""
    told = {_line_name(name, row.num_hops): str(row.right)}
    if row.unparsed.k:
        told[f"  {_line_name(name, row.num_hops)}: no value read"] = str(row.unparsed)
    if row.not_asked:
        told[f"  {_line_name(name, row.num_hops)}: not asked"] = str(row.not_asked)
    return told


def _baselines_told(_: str, row: AccuracyRow) -> dict[str, str]:
    """The same for every model, as the programs are."""
    return {_line_name(name, row.num_hops): str(rate) for name, rate in row.baselines.items()}


def _errors_table(samples: Sequence[Sample], *, in_terminal: bool = True) -> Table:
    """Kinds of errors by model."""
    kinds = Counter((one.model, kind_of_error(one)) for one in wrong_answers(samples))
    columns = sorted({kind for _, kind in kinds})
    rows = []
    for model, name in short_names(samples).items():
        counts = [kinds[model, kind] for kind in columns]
        asked = [one for one in samples if one.model == model and one.response is not None]
        rows.append([name, *map(str, counts), str(Rate(sum(counts), len(asked)))])
    return Table(["wrong answers", *columns, "all"], rows, in_terminal=in_terminal)


def _shown(number: int, wrong: Sample) -> str:
    read = wrong.reason if wrong.value is None else wrong.value
    return (
        f"\n{number}. {wrong.model}: {kind_of_error(wrong)}\n{wrong.program}\n"
        f"right: {wrong.expected}, read: {read}, wrote: {wrong.response!r}"
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
