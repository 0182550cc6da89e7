"""The report on tuned models: tables, a picture by set and kind, and the published figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from the_experiment.base.files import replaced_file, write_json
from the_experiment.evaluation.statistics import Rate, listed, short
from the_experiment.experiments.traces.asking_models import PuzzleSet
from the_experiment.experiments.traces.published import PUBLISHED, SOURCE, Published
from the_experiment.experiments.traces.results import ALL, COMMONEST, TraceResults
from the_experiment.report.blocks import Blocks
from the_experiment.report.html import write_page
from the_experiment.report.plots import Bar, bars_figure, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, PICTURE, FIGURES = "report.html", "traces.png", "results.json"
Table = list[list[str]]


def set_table(results: TraceResults) -> Table:
    """A heading; then each model and the baseline, by set of puzzles and benchmark."""
    rows = [["right", *results.totals]]
    for model in (*results.models, COMMONEST):
        rows.append([model, *(str(found.get(model, "")) for found in results.totals.values())])
    return rows


def kind_table(results: TraceResults, asked: PuzzleSet) -> Table:
    """A heading; then each model and the baseline on one set, by kind of puzzle."""
    rates = results.rates(asked)
    kinds = [kind for kind in rates[COMMONEST] if kind != ALL]
    rows = [[asked.name, *kinds]]
    rows += [[model, *(str(found[kind]) for kind in kinds)] for model, found in rates.items()]
    return rows


def published_table() -> Table:
    """A heading; then each benchmark and size: before, after, and whether it is more than noise."""
    rows = [["published", "size", "base", "tuned", "gain", "95% interval", ""]]
    for one in PUBLISHED:
        low, high = one.interval
        verdict = "beyond noise" if one.beyond_noise else "inside the noise"
        ends = f"{short(low)} to {short(high)}"
        rows.append(
            [one.benchmark, one.size, str(one.base), str(one.tuned), short(one.gain), ends, verdict]
        )
    return rows


def published_sentence() -> str:
    """Which of the published gains are more than their test sets can be wrong by."""

    def told(one: Published) -> str:
        return f"{one.benchmark} {one.size}"

    sure = [told(one) for one in PUBLISHED if one.beyond_noise]
    return (
        f"{SOURCE}: {len(sure)} of {len(PUBLISHED)} gains are beyond the noise of their test sets: "
        f"{listed(sure)}. No control was published, so they don't tell reasoning from format."
    )


def published_figure() -> Figure:
    """A panel for each benchmark: share right by size, base and tuned."""
    panels: dict[str, list[Bar]] = {}
    for one in PUBLISHED:
        bars = panels.setdefault(f"{one.benchmark}, n = {one.base.n}", [])
        for name, rate in (("base", one.base), ("tuned", one.tuned)):
            label = f"{one.size} {name}"
            bars.append(Bar(label, rate.share, rate.low, rate.high, is_model=name == "tuned"))
    return bars_figure(panels)


def results_view(results: TraceResults) -> Group:
    """All tables and sentences, for the terminal."""
    tables = [
        set_table(results),
        *(kind_table(results, asked) for asked in results.sets),
    ]
    shown: list[RenderableType] = []
    for table in tables:
        shown += [_blocks(table), ""]
    shown += [*map(Text, results.sentences()), "", _blocks(published_table())]
    return Group(*shown, Text(published_sentence()))


def _blocks(table: Table) -> Blocks:
    heading, *rows = table
    blocks = Blocks([Text(cell) for cell in heading])
    for row in rows:
        blocks.add_row([Text(cell) for cell in row], style="dim" if row[0] == COMMONEST else "")
    return blocks


def traces_figure(results: TraceResults) -> Figure:
    """A panel for each set and benchmark, then for each kind in each set: share right."""
    panels: dict[str, list[Bar]] = {}
    for name, totals in results.totals.items():
        panels[f"{name}, n = {next(iter(totals.values())).n}"] = _bars(totals)
    rates = {asked.name: results.rates(asked) for asked in results.sets}
    kinds = dict.fromkeys(kind for found in rates.values() for kind in found[COMMONEST])
    for kind in [kind for kind in kinds if kind != ALL]:
        for name, found in rates.items():
            if kind in found[COMMONEST]:
                of_kind = {model: by_kind[kind] for model, by_kind in found.items()}
                panels[f"{name}: {kind}, n = {of_kind[COMMONEST].n}"] = _bars(of_kind)
    return bars_figure(panels)


def _bars(rates: dict[str, Rate]) -> list[Bar]:
    return [
        Bar(name, rate.share, rate.low, rate.high, is_model=name != COMMONEST)
        for name, rate in rates.items()
    ]


def write_report(results: TraceResults, folder: Path, title: str) -> Path:
    """Write `results.json`, the picture and the page, and return the page."""
    figure = traces_figure(results)
    with replaced_file(folder / PICTURE) as path:
        figure.savefig(path, format="png", dpi=110)
    write_page(
        folder / PAGE,
        "traces.html",
        title=title,
        sentences=results.sentences(),
        figure=svg(figure),
        tables=[set_table(results), *(kind_table(results, asked) for asked in results.sets)],
        published=published_table(),
        published_figure=svg(published_figure()),
        published_sentence=published_sentence(),
        examples=_examples(results),
    )
    write_json(folder / FIGURES, results.as_json())
    return folder / PAGE


def _examples(results: TraceResults) -> list[tuple[str, str, str, str]]:
    """The first puzzle of each set: the question, the right answer, and what each model wrote."""
    return [
        (f"{asked.name}: {model}", puzzle.question, puzzle.answer, answers[asked.name][0].written)
        for asked in results.sets
        for puzzle in asked.puzzles[:1]
        for model, answers in results.answers.items()
    ]
