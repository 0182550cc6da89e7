"""What came out of an experiment on splits: a table by measure, a chart, and a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.evaluation.statistics import join_names, mean_interval, short
from the_experiment.experiments.splits.config import SplitsExperiment
from the_experiment.experiments.splits.judgement import judge_claim
from the_experiment.experiments.splits.results import Results, SplitRow, rows_of, scores_of
from the_experiment.report.plots import Bar, Curve, bars_figure, curves_figure
from the_experiment.worlds import EXACT, find_world

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
BY_FRACTION = (
    "Mean over splits, one for each seed. Bands: 95% intervals of models, a bootstrap over splits "
    "or the table's where that is wider; all of [0, 1] where there is one split. Grey: baselines "
    "without a network, the mean over their ties."
)
SAMPLE = "Made with --quick: a sample of the cells. Run it without for all of them."


def outcome_of(experiment: SplitsExperiment, results: Results, *, quick: bool) -> Outcome:
    """Tables, a chart of the claim's own measure, and a judgement by each measure."""
    scores = scores_of(experiment, results)
    rows, judgements = rows_of(experiment, scores), judge_claim(experiment, scores)
    measures = [one.measure for one in judgements] or [*experiment.all_measures]
    tables = [_table(rows, one) for one in measures]
    *first, last = [table for table in tables if table.rows] or tables[:1]
    return Outcome(
        title=experiment.name,
        about=[*([SAMPLE] if quick else []), *_about(experiment)],
        sentences=[one.sentence for one in judgements] or [*_explored(rows, measures)],
        tables=[*first, replace(last, note=HOW_TO_READ)],
        charts=[*_charts(experiment, rows, measures)],
        texts={f"World {experiment.world}": _rules(experiment)},
        figures={
            "experiment": experiment.model_dump(),
            "quick": quick,
            "rows": [_row_json(row) for row in rows],
            "judgements": [judgement.as_json() for judgement in judgements],
        },
    )


def best_and_worst(experiment: SplitsExperiment, results: Results) -> list[str]:
    """A sentence on either, among the models on each hold-out, by the first measure."""
    rows = rows_of(experiment, scores_of(experiment, results))
    models = [row for row in rows if row.is_model and row.measure == EXACT]
    ranked = sorted(models, key=lambda row: row.share)
    return (
        [
            f"{place} so far by {EXACT}: {row.contestant} on {row.hold_outs}: {_cell(row)}"
            for place, row in (("best", ranked[-1]), ("worst", ranked[0]))
        ]
        if ranked
        else []
    )


def _about(experiment: SplitsExperiment) -> Iterator[str]:
    yield experiment.question
    claim = experiment.claim
    if claim is None:
        return
    yield f"The claim: {claim.says} ({claim.source}). As published: {claim.published}."
    yield f"Counts for it: {claim.counts_for}. Counts against it: {claim.counts_against}."


def _explored(rows: Sequence[SplitRow], measures: Sequence[str]) -> Iterator[str]:
    """Of each model by each measure, where it beats what luck would give any baseline."""
    yield "No claim was made before these cells were computed: what they show is exploratory."
    for measure in measures:
        of_measure = [row for row in rows if row.measure == measure]
        for model in dict.fromkeys(row.contestant for row in of_measure if row.is_model):
            own = [row for row in of_measure if row.contestant == model]
            above = [row.hold_outs for row in own if row.interval[0] > _luckiest(of_measure, row)]
            where = join_names(above) if above else "no hold-out here"
            yield f"By {measure}, {model} is above every baseline, however lucky, on {where}."


def _luckiest(rows: Sequence[SplitRow], model: SplitRow) -> float:
    """The share that the best baseline beside a model has right with the luckiest ties."""
    baselines = [row for row in rows if row.hold_outs == model.hold_outs and not row.is_model]
    return max((row.interval[1] for row in baselines), default=0.0)


def _charts(
    experiment: SplitsExperiment, rows: Sequence[SplitRow], measures: Sequence[str]
) -> Iterator[Chart]:
    """Curves by every measure, where several shares are held out; bars of the first measure."""
    for measure in measures:
        curves = _curves(experiment, [row for row in rows if row.measure == measure])
        if any(len(curve.at) > 2 for curve in curves):  # two points are no curve
            words = ("share of states held out", f"share right in new cases: {measure}")
            draw = partial(curves_figure, curves, *words)
            yield Chart(f"fractions-{measure}", f"{measure} by share held out", draw, BY_FRACTION)
    measure = measures[0]
    yield Chart("held-out", f"{measure} in new cases", partial(_figure, rows, measure), CAPTION)


def _curves(experiment: SplitsExperiment, rows: Sequence[SplitRow]) -> list[Curve]:
    """A curve over the shares held out for each contestant."""
    fractions = {name: way.fraction for name, way in experiment.hold_outs.items()}
    places: dict[str, dict[float, SplitRow]] = {}
    for row in rows:
        if at := fractions[row.hold_outs]:
            places.setdefault(row.contestant, {})[at] = row
    return [_curve(name, dict(sorted(of.items()))) for name, of in places.items()]


def _curve(name: str, rows: dict[float, SplitRow]) -> Curve:
    """Each seed has a split of its own there: the splits are the clusters of the interval."""
    shares, low, high = [], [], []
    for row in rows.values():
        by_split = np.array([count.share for count in row.by_seed.values() if count.n])
        ends = mean_interval(by_split, seed=0) if len(by_split) > 1 else (0.0, 1.0)
        shares.append(float(by_split.mean()))
        low.append(min(float(ends[0]), row.interval[0]))  # few splits that agree say little
        high.append(max(float(ends[1]), row.interval[1]))
    return Curve(name, [*rows], shares, low, high, next(iter(rows.values())).is_model)


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
