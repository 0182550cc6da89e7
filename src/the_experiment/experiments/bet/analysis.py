"""What came out of a bet: a decision for each way to run it, and a picture of all answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from the_experiment.base.words import counted
from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.experiments.bet.asked import ANSWERS, CAPITAL, COUNTRY, OTHER
from the_experiment.experiments.bet.config import BetExperiment
from the_experiment.experiments.bet.decision import (
    LIKELY,
    MEANINGS,
    Criterion,
    Estimate,
    scientific,
)
from the_experiment.experiments.bet.results import AFTER, BEFORE, Condition, Way, results_of
from the_experiment.report.plots import BASELINE_COLOUR, INK, MODEL_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLOURS = {COUNTRY: MODEL_COLOUR, CAPITAL: "#c8553d", OTHER: BASELINE_COLOUR}
WIDTH = 0.27  # of a bar, where groups are 1 apart
FLOOR = 1e-8  # a probability below is drawn as this one
COLUMNS = 2


def bet_figure(ways: Sequence[Way]) -> Figure:
    """A panel a way: bars after tuning, diamonds before it, and the bet's 1 in 10,000."""
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(ways))
    rows = -(-len(ways) // columns)
    figure = Figure(figsize=(7.4 * columns, 3.1 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten().tolist()
    for axes, way in zip(grid, ways, strict=False):
        _draw(axes, way)
    for axes in grid[len(ways) :]:
        axes.set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    beside = min(3 * columns, len(labels))  # what has room beside each other
    figure.legend(
        handles, labels, loc="outside upper center", ncols=beside, frameon=False, fontsize=9
    )
    return figure


def _draw(axes: Axes, way: Way) -> None:
    places = [place for place in way.figures if place.when == BEFORE]
    for number, answer in enumerate(COLOURS):
        shift = (number - 1) * WIDTH
        if way.decision.criteria:  # else nothing was tuned
            _bars(axes, [way.figures[_after(place)][answer] for place in places], shift, answer)
        before = [way.figures[place][answer].most for place in places]
        label = f"{answer}, before tuning"
        axes.scatter(
            [x + shift for x in range(len(places))],
            [max(value, FLOOR) for value in before],
            marker="D",
            s=16,
            facecolor="white",
            edgecolor=COLOURS[answer],
            linewidth=1.2,
            zorder=3,
            label=label,
        )
    axes.axhline(LIKELY, color=INK, linewidth=0.8, linestyle=":", label="1 in 10,000")
    axes.set_yscale("log")
    axes.set_ylim(FLOOR, 1.5)
    names = [f"{place.asked.replace(', ', ',' + chr(10))}\n{place.mode}" for place in places]
    axes.set_xticks(range(len(places)), names, fontsize=7)
    axes.set_ylabel("probability of the answer", fontsize=8)
    size = counted(next(iter(way.figures.values()))[COUNTRY].names, "name")
    seeds = counted(len(way.variants), "seed")
    axes.set_title(
        f"{way.title}\n{way.decision.verdict} (n = {size} of {seeds})", fontsize=9, loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)


def _after(place: Condition) -> Condition:
    return Condition(AFTER, place.arm, place.instructed, place.mode)


def _bars(axes: Axes, found: Sequence[Estimate], shift: float, answer: str) -> None:
    """Up to the upper bound, with the interval, and a dot for each seed."""
    for x, one in enumerate(found):
        axes.bar(
            x + shift,
            max(one.most, FLOOR),
            width=WIDTH * 0.94,
            color=COLOURS[answer],
            label=f"{answer}, after tuning" if x == 0 else None,
        )
        ends = max(one.low, FLOOR), max(one.high, FLOOR)
        axes.vlines(x + shift, *ends, color=INK, linewidth=1.1)
        seeds = [max(most, FLOOR) for _, most in one.seeds]
        axes.plot([x + shift] * len(seeds), seeds, ".", color=INK, markersize=3)


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
            Chart("bars", "How likely each answer is", partial(bet_figure, results.ways), CAPTION)
        ],
        texts={"Configuration": bet.to_yaml()},
        figures=results.as_json(),
    )


def _decisions(ways: list[Way]) -> Table:
    """A row a way: verdict, the bet's own criteria, the pre-check, and each criterion."""
    tuned = next((way.decision.criteria for way in ways if way.decision.criteria), ())
    named = [_heading(one) for one in tuned]
    rows = []
    for way in ways:
        decision = way.decision
        cells = [_cell(one) for one in decision.criteria or ()] or [""] * len(named)
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
