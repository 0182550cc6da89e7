"""The report of a bet: `results.json`, `bars.png`, `report.html`, and tables for the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group
from rich.markup import escape

from the_experiment.base.files import replaced_file, write_json
from the_experiment.experiments.bet.asked import ANSWERS
from the_experiment.experiments.bet.decision import MEANINGS
from the_experiment.experiments.bet.estimates import Criterion, scientific
from the_experiment.experiments.bet.figure import bars_figure
from the_experiment.experiments.bet.results import BetOutcome, Way
from the_experiment.report.blocks import Blocks
from the_experiment.report.html import write_page
from the_experiment.report.plots import svg


def write_report(outcome: BetOutcome) -> Path:
    """Write all three files into the bet's folder; give the page's path."""
    folder = outcome.bet.folder
    figure = bars_figure(outcome.ways)
    with replaced_file(folder / "bars.png") as path:
        figure.savefig(path, format="png", dpi=110)
    write_json(folder / "results.json", outcome.as_json())
    write_page(
        folder / "report.html",
        "bet.html",
        title=f"The bet: {outcome.bet.config.name}",
        sentence=outcome.sentence,
        meanings=MEANINGS,
        config=outcome.bet.config,
        decisions=decisions(outcome),
        figure=svg(figure),
        probabilities=[(way.title, probabilities(way)) for way in outcome.ways],
    )
    return folder / "report.html"


def bet_view(outcome: BetOutcome) -> Group:
    """Every way's decision, what verdicts mean, and the answer, for the terminal."""
    heading, *rows = decisions(outcome)
    table = Blocks(list(map(escape, heading)))
    for row in rows:
        table.add_row(list(map(escape, row)), style="")
    shown = {way.decision.verdict for way in outcome.ways}
    meanings = [f"{verdict}: {told}" for verdict, told in MEANINGS.items() if verdict in shown]
    return Group(table, "", *map(escape, meanings), "", f"[bold]{escape(outcome.sentence)}[/]")


def decisions(outcome: BetOutcome) -> list[list[str]]:
    """A row a way: verdict, the bet's own criteria, the pre-check, and each criterion."""
    named = [_heading(one) for one in outcome.ways[0].decision.criteria]
    rows = [["", "verdict", "criteria", *named, "before tuning, right in"]]
    for way in outcome.ways:
        decision = way.decision
        told = [_told(one) for one in decision.criteria]
        rows.append([way.title, decision.verdict, decision.anchor, *told, str(decision.check)])
    return rows


def _heading(one: Criterion) -> str:
    return f"{one.what} (> {scientific(one.threshold)})"


def _told(one: Criterion) -> str:
    return f"{one.estimate}; {one.above.k} of {one.above.n} names: {one.decided}"


def probabilities(way: Way) -> list[list[str]]:
    """A row a place: how likely each answer is there."""
    rows = [["", "tuned on, asked with", "mode", *ANSWERS]]
    for place, answers in way.figures.items():
        rows.append([place.when, place.asked, place.mode, *(str(answers[one]) for one in ANSWERS)])
    return rows
