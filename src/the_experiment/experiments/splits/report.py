"""The report of an experiment: tables, a plot, a page and JSON, ending in one sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.markup import escape

from the_experiment.base.files import replaced_file, write_json
from the_experiment.evaluation.statistics import short
from the_experiment.experiments.splits.config import Experiment
from the_experiment.experiments.splits.judgement import Judgement, judge
from the_experiment.experiments.splits.results import Results, Row, measures_of, rows_of, scores_of
from the_experiment.report.blocks import Blocks
from the_experiment.report.html import write_page
from the_experiment.report.plots import Bar, bars_figure, svg
from the_experiment.worlds import find_world

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUICK = "quick"
ABOUT_BASELINES = (
    "A baseline is shown over all ways to break its ties. It learns each part by itself from the "
    "same seen states, aggregates such as sums beside the right values of the rules that they are "
    "computed from."
)


@dataclass(frozen=True)
class Outcome:
    """An experiment that was run: its table and what it says of the claim, by measure."""

    experiment: Experiment
    rows: list[Row]
    judgements: list[Judgement]  # by measure, the claim's own first
    quick: bool

    @classmethod
    def of(cls, experiment: Experiment, results: Results, *, quick: bool) -> Outcome:
        """Work the cells out into the table and the judgement."""
        scores = scores_of(experiment, results)
        return cls(experiment, rows_of(experiment, scores), judge(experiment, scores), quick)

    @property
    def ways(self) -> list[str]:
        """The ways of holding out there are rows for: with `--quick` not all."""
        return list(dict.fromkeys(row.hold_outs for row in self.rows))


def experiment_sheet(experiment: Experiment) -> Group:
    """What an experiment is going to do, for the terminal."""
    claim = experiment.claim
    return Group(
        f"[bold]{experiment.name}[/]: {escape(experiment.question)}",
        "",
        f"world      {escape(experiment.world)}",
        f"hold-outs  {escape(', '.join(experiment.hold_outs))}",
        f"models     {escape(', '.join(experiment.models))}; seeds {experiment.seeds}",
        f"measures   {escape(', '.join(measures_of(experiment)))}",
        "",
        f"claim      {escape(claim.says)} ({escape(claim.source)})",
        f"published  {escape(claim.published)}",
        f"for        {escape(claim.counts_for)}",
        f"against    {escape(claim.counts_against)}",
    )


def results_table(outcome: Outcome) -> Group:
    """Each contestant by measure and way of holding out, and what it says of the claim."""
    note = (
        "Each cell: share of new cases that is right, [Wilson 95% interval] for n distinct ones, "
        "of a baseline [from the cases that it has right in every tie-break to those in some]; "
        "each seed's."
    )
    lines: list[RenderableType] = []
    for measure in (one.measure for one in outcome.judgements):
        lines += _measure_table(outcome, measure)
    lines.append(f"[dim]{escape(note)} {ABOUT_BASELINES}[/]")
    for judgement in outcome.judgements:
        lines += ["", escape(judgement.sentence)]
    return Group(*lines)


def _measure_table(outcome: Outcome, measure: str) -> list[RenderableType]:
    """The rows of one measure and an empty line; nothing where no held-out case is new."""
    rows = [row for row in outcome.rows if row.measure == measure]
    table = Blocks([escape(f"{measure} in new cases"), *map(escape, outcome.ways)])
    for contestant in dict.fromkeys(row.contestant for row in rows):
        by_way = {row.hold_outs: row for row in rows if row.contestant == contestant}
        is_model = next(iter(by_way.values())).is_model
        cells = [_cell(by_way[way]) if way in by_way else "–" for way in outcome.ways]
        table.add_row([escape(contestant), *cells], style="bold" if is_model else "dim")
    return [table, ""] if rows else []


def _cell(row: Row) -> str:
    """`.83 [.61–.94], n = 18 (1.0 .67 .83)`: each seed's share only where they differ at all."""
    seeds = [short(count.share) for count in row.by_seed.values()]
    unfit = "" if row.fitted == row.fits else f" fitted {row.fitted}/{row.fits}"
    low, high = row.interval
    told = f"{short(row.share)} {escape(f'[{short(low)}–{short(high)}]')}, n = {row.new_cases}"
    return told + (f" ({' '.join(seeds)})" if len(set(seeds)) > 1 else "") + unfit


def write_report(outcome: Outcome, out: Path) -> Path:
    """Write `report.html`, `results.json` and `held-out.png` into `out`; return the page's path.

    Those of a quick run go into a folder of their own there, so that no full report is lost.
    """
    out = out / QUICK if outcome.quick else out
    figure = _figure(outcome)
    with replaced_file(out / "held-out.png") as path:
        figure.savefig(path, format="png", dpi=110)
    write_json(out / "results.json", report_json(outcome))
    experiment = outcome.experiment
    write_page(
        out / "report.html",
        "experiment.html",
        title=experiment.name,
        experiment=experiment,
        rules=find_world(experiment.world).rules,
        figure=svg(figure),
        tables={way: [row for row in outcome.rows if row.hold_outs == way] for way in outcome.ways},
        seeds=sorted({seed for row in outcome.rows for seed in row.by_seed}),
        judgements=outcome.judgements,
        given=ABOUT_BASELINES,
        quick=outcome.quick,
    )
    return out / "report.html"


def report_json(outcome: Outcome) -> dict[str, Any]:
    """The whole report as plain values."""
    return {
        "experiment": outcome.experiment.model_dump(),
        "quick": outcome.quick,
        "rows": [_row_json(row) for row in outcome.rows],
        "judgements": [judgement.as_json() for judgement in outcome.judgements],
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "hold_outs": row.hold_outs,
        "contestant": row.contestant,
        "measure": row.measure,
        "by_seed": {str(seed): asdict(count) for seed, count in row.by_seed.items()},
        "share": row.share,
        "low": row.interval[0],
        "high": row.interval[1],
        "new_cases": row.new_cases,
        "cells": row.fits,
        "fitted": row.fitted,
    }


def _figure(outcome: Outcome) -> Figure:
    """The claim's own measure."""
    measure = outcome.experiment.claim.measure
    rows = [row for row in outcome.rows if row.measure == measure]
    return bars_figure(
        {way: [_bar(row) for row in rows if row.hold_outs == way] for way in outcome.ways}
    )


def _bar(row: Row) -> Bar:
    seeds = tuple(count.share for count in row.by_seed.values())
    return Bar(row.contestant, row.share, *row.interval, seeds, row.is_model)
