"""What came out of an experiment on splits: a table by measure, a chart, and a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.evaluation.statistics import short
from the_experiment.experiments.splits.config import SplitsExperiment
from the_experiment.experiments.splits.judgement import judge_claim
from the_experiment.experiments.splits.results import Results, SplitRow, rows_of, scores_of
from the_experiment.report.plots import Bar, bars_figure
from the_experiment.worlds import find_world

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ABOUT_BASELINES = (
    "A baseline is shown over all ways to break its ties. It learns each part by itself from the "
    "same seen states, aggregates such as sums beside the right values of the rules that they are "
    "computed from."
)
HOW_TO_READ = (
    "Each cell: share of new cases that is right, [Wilson 95% interval] for n distinct ones, "
    "of a baseline [from the cases that it has right in every tie-break to those in some]; "
    f"each seed's. {ABOUT_BASELINES}"
)
CAPTION = (
    "Bars: mean over seeds. Lines: the intervals of the table. Dots: single seeds. Grey: baselines "
    "without a network, on the same splits."
)
SAMPLE = "Made with --quick: a sample of the cells. Run it without for all of them."


def outcome_of(experiment: SplitsExperiment, results: Results, *, quick: bool) -> Outcome:
    """Tables, a chart of the claim's own measure, and a judgement by each measure."""
    scores = scores_of(experiment, results)
    rows, judgements = rows_of(experiment, scores), judge_claim(experiment, scores)
    tables = [_table(rows, one.measure) for one in judgements]
    *first, last = [table for table in tables if table.rows] or tables[:1]
    measure = experiment.claim.measure
    return Outcome(
        title=experiment.name,
        about=[*([SAMPLE] if quick else []), *_about(experiment)],
        sentences=[one.sentence for one in judgements],
        tables=[*first, replace(last, note=HOW_TO_READ)],
        charts=[
            Chart("held-out", f"{measure} in new cases", partial(_figure, rows, measure), CAPTION)
        ],
        texts={f"World {experiment.world}": _rules(experiment)},
        figures={
            "experiment": experiment.model_dump(),
            "quick": quick,
            "rows": [_row_json(row) for row in rows],
            "judgements": [judgement.as_json() for judgement in judgements],
        },
    )


def _about(experiment: SplitsExperiment) -> Iterator[str]:
    claim = experiment.claim
    yield experiment.question
    yield f"The claim: {claim.says} ({claim.source}). As published: {claim.published}."
    yield f"Counts for it: {claim.counts_for}. Counts against it: {claim.counts_against}."


def _rules(experiment: SplitsExperiment) -> str:
    rules = find_world(experiment.world).rules
    return "\n".join(f"{name} = {text}" for name, text in rules.items())


def _table(rows: Sequence[SplitRow], measure: str) -> Table:
    """Each contestant by way of holding out; no rows where no held-out case is new."""
    ways = _ways(rows)
    of_measure = [row for row in rows if row.measure == measure]
    cells: dict[str, dict[str, str]] = {}
    for row in of_measure:
        cells.setdefault(row.contestant, {})[row.hold_outs] = _cell(row)
    return Table(
        [f"{measure} in new cases", *ways],
        [[name, *(by_way.get(way, "–") for way in ways)] for name, by_way in cells.items()],
        baselines={row.contestant for row in of_measure if not row.is_model},
    )


def _ways(rows: Sequence[SplitRow]) -> list[str]:
    """The ways of holding out there are rows for: with `--quick` not all."""
    return list(dict.fromkeys(row.hold_outs for row in rows))


def _cell(row: SplitRow) -> str:
    """`.83 [.61–.94], n = 18 (1.0 .67 .83)`: each seed's share only where they differ at all."""
    seeds = [short(count.share) for count in row.by_seed.values()]
    unfit = "" if row.fitted == row.fits else f" fitted {row.fitted}/{row.fits}"
    low, high = row.interval
    shares = f"{short(row.share)} [{short(low)}–{short(high)}], n = {row.new_cases}"
    return shares + (f" ({' '.join(seeds)})" if len(set(seeds)) > 1 else "") + unfit


def _row_json(row: SplitRow) -> dict[str, Any]:
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


def _figure(rows: Sequence[SplitRow], measure: str) -> Figure:
    of_measure = [row for row in rows if row.measure == measure]
    return bars_figure(
        {way: [_bar(row) for row in of_measure if row.hold_outs == way] for way in _ways(rows)}
    )


def _bar(row: SplitRow) -> Bar:
    seeds = tuple(count.share for count in row.by_seed.values())
    return Bar(row.contestant, row.share, *row.interval, seeds, row.is_model)
