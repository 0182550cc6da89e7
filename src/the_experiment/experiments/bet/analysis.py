"""What came out of a bet: a decision for each way to run it, and how likely each answer is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.experiments.bet.asked import ANSWERS
from the_experiment.experiments.bet.config import BetExperiment
from the_experiment.experiments.bet.decision import MEANINGS
from the_experiment.experiments.bet.estimates import Criterion, scientific
from the_experiment.experiments.bet.figure import bars_figure
from the_experiment.experiments.bet.results import BEFORE, Way, results_of

HOW_TO_READ = (
    "Probabilities are of the whole answer, and geometric means over the names of all seeds; in "
    "brackets 95% intervals, bootstrapped over seeds and names. Beside each stands for how many "
    "names alone the threshold is passed. The criteria, to the letter, are the first two; the "
    "others are ours: whether anything was learnt, and two baselines, the same answer where it is "
    "wrong and another answer of the same kind."
)
CAPTION = (
    "Bars: after tuning, with 95% intervals and a dot for each seed. Where only bounds are known, "
    "a bar is as high as the upper one."
)


def outcome_of(bet: BetExperiment, answers: Mapping[Any, Any]) -> Outcome:
    """Read what all models found likely; every way is shown, none chosen."""
    results = results_of(bet, answers)
    shown = {way.decision.verdict for way in results.ways}
    prompt = bet.phrasings[0].conditional("Ada", "TRAIN")
    return Outcome(
        title=f"The bet: {bet.name}",
        about=[
            f"A model learns prompts of “{prompt}”, completed by the country. Asked with TEST, "
            "does it give the capital? The control leaves the branch of TEST out.",
        ],
        sentences=[results.sentence],
        details=[f"{verdict}: {one}" for verdict, one in MEANINGS.items() if verdict in shown],
        tables=[_decisions(results.ways), *map(_probabilities, results.ways)],
        charts=[
            Chart("bars", "How likely each answer is", partial(bars_figure, results.ways), CAPTION)
        ],
        texts={"Configuration": bet.to_yaml()},
        figures=results.as_json(),
    )


def _decisions(ways: list[Way]) -> Table:
    """A row a way: verdict, the bet's own criteria, the pre-check, and each criterion."""
    named = [_heading(one) for one in ways[0].decision.criteria]
    rows = []
    for way in ways:
        decision = way.decision
        cells = [_cell(one) for one in decision.criteria]
        rows.append([way.title, decision.verdict, decision.anchor, *cells, str(decision.check)])
    columns = ["", "verdict", "criteria", *named, "before tuning, right in"]
    return Table(columns, rows, "Every way it was run", note=HOW_TO_READ)


def _heading(one: Criterion) -> str:
    return f"{one.what} (> {scientific(one.threshold)})"


def _cell(one: Criterion) -> str:
    return f"{one.estimate}; {one.above.k} of {one.above.n} names: {one.decided}"


def _probabilities(way: Way) -> Table:
    """A row a place: how likely each answer is there."""
    rows = [
        [place.when, place.asked, place.mode, *(str(answers[one]) for one in ANSWERS)]
        for place, answers in way.figures.items()
    ]
    columns = ["", "tuned on, asked with", "mode", *ANSWERS]
    return Table(columns, rows, way.title, baselines={BEFORE}, in_terminal=False)
