"""What came out of questions: accuracy, kinds of failures, and what each piece is worth."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from the_experiment.base.words import counted
from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.evaluation.statistics import LEVEL, Drop, short
from the_experiment.experiments.questions.asking import ALL
from the_experiment.experiments.questions.failures import FAILURES
from the_experiment.experiments.questions.importance import (
    BEYOND,
    KINDS,
    Importance,
    answers_map,
    grids,
    matrices,
    unit,
)
from the_experiment.experiments.questions.results import ANSWERS, Results
from the_experiment.report.plots import BASELINE_COLOUR, INK, MODEL_COLOUR
from the_experiment.worlds.questions.answers import in_words

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PIECES = ("layer", "attention", "mlp")  # kinds of piece of which each layer has one
COLOURS = ("#7bb274", "#3b62d6", "#e0b400", "#b04a8f", "#8a8a95", "#c3c6d1", "#c8553d")  # KINDS


def failures_figure(results: Results) -> Figure:
    """A pie for each kind of question: right answers, and each kind of failure."""
    from matplotlib.figure import Figure

    kinds = list(results.accuracy)
    figure = Figure(figsize=(2.9 * len(kinds) + 1.6, 3.9), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        _pie(axes, kind, results.answer_kinds(kind))
    handles = [_patch(colour) for colour in COLOURS]
    figure.legend(handles, KINDS, loc="outside right center", fontsize=8, frameon=False)
    return figure


def _patch(colour: str) -> Artist:
    from matplotlib.patches import Patch

    return Patch(color=colour)


def _pie(axes: Axes, title: str, answers: Sequence[str]) -> None:
    colours = {kind: colour for kind, colour in zip(KINDS, COLOURS, strict=True) if kind in answers}
    counts = {kind: answers.count(kind) for kind in colours}
    axes.pie(
        list(counts.values()),
        colors=list(colours.values()),
        startangle=90,
        counterclock=False,
        wedgeprops={"edgecolor": "white"},
    )
    axes.set_title(f"{title}, n={len(answers)}", fontsize=10)
    # Beside thin slices the counts would stand on each other.
    axes.set_xlabel("\n".join(f"{count} {kind}" for kind, count in counts.items()), fontsize=8)


def layers_figure(found: Importance) -> Figure:
    """Bars: the drop without each layer, its attention and its MLP, by measure."""
    from matplotlib.figure import Figure

    rows = layer_pieces(found)
    whole = {measure: drops for measure, drops in found.drops.items() if {*rows} <= {*drops}}
    figure = Figure(figsize=(4.5 * len(whole), 0.9 + 0.24 * len(rows)), layout="constrained")
    both = figure.subplots(1, len(whole), sharey=True, squeeze=False)[0]
    for axes, (measure, drops) in zip(both, whole.items(), strict=True):
        axes.set_title(measure, fontsize=10, loc="left")
        axes.set_xlabel(f"{unit(measure)}; blue: more than chance", fontsize=8)
        _bars(axes, {piece: drops[piece][ALL] for piece in rows})
    return figure


def layer_pieces(found: Importance) -> list[str]:
    """The pieces of which each layer has one."""
    every = max(found.drops.values(), key=len)  # some are of few pieces
    return [piece for piece in every if piece.partition(":")[0] in PIECES]


def _bars(axes: Axes, drops: Mapping[str, Drop]) -> None:
    for row, drop in enumerate(drops.values()):
        colour = MODEL_COLOUR if drop.beyond_chance else BASELINE_COLOUR
        axes.barh(row, drop.drop, color=colour, height=0.64)
        axes.hlines(row, drop.low, drop.high, color=INK, linewidth=1.3)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_ylim(len(drops) - 0.4, -0.6)  # the first on top
    axes.set_yticks(range(len(drops)), list(drops), fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


EXAMPLES = 2  # of each kind of failure
SHOWN = 60  # characters of an answer
BASELINE = "commonest answer"
STARRED = (
    f"{BEYOND} more than chance explains: p < {LEVEL}, by Holm among all of its kind and measure"
)
BY_CHANCE = "by chance: right answers to other questions"


def outcome_of(results: Results) -> Outcome:
    """Accuracy, failures with examples, and what the ablations say."""
    failures = list(_failures(results))
    maps = [*grids(results.importance), *matrices(results.importance)] if results.pieces else []
    tables = [_accuracy_table(results)]
    if failures:
        tables.append(Table(["wrong answers", "", BY_CHANCE], failures))
    charts = [Chart("failures", "Right answers and failures", partial(failures_figure, results))]
    if results.pieces and layer_pieces(results.importance):
        layers = partial(layers_figure, results.importance)
        charts.append(Chart("layers", "Drop without each layer", layers))
    return Outcome(
        title=heading(results),
        sentences=[*([STARRED] if results.pieces else []), *results.sentences()],
        tables=tables,
        details=list(_examples(results)),
        charts=charts,
        maps=[*maps, answers_map(results.importance)] if results.without else [],
        figures=results.summary(),
        files={ANSWERS: results.model_dump(mode="json", by_alias=True)},
    )


def heading(results: Results) -> str:
    """What was asked of which model, and how."""
    request = results.request
    asked = counted(len(request.questions), "question")
    if request.left_out:
        asked += f" without {len(request.left_out)} too long for the model"
    written = results.form.before + "ANSWER"
    count, mode = len(results.pieces), " and ".join(request.replacements)
    ablated = f", {count} components ablated ({mode})" if count else ""
    return f"{request.model}, {asked} ({request.style}), right answers as {written!r}{ablated}"


def _accuracy_table(results: Results) -> Table:
    rows = [
        [kind, str(right), _or_dash(results.cut_off[kind]), str(baseline)]
        for kind, (right, baseline) in results.accuracy.items()
    ]
    return Table(["", "right", "cut off", BASELINE], rows, heading(results))


def _or_dash(count: int | None) -> str:
    return "–" if count is None else str(count)


def _failures(results: Results) -> Iterator[tuple[str, str, str]]:
    """Each kind that there is: its name, how many of the wrong answers are, and by chance."""
    for kind, rate in results.failures.items():
        if rate.k:
            yield kind, str(rate), short(results.chance[kind]) if results.chance else "–"


def _examples(results: Results) -> Iterator[str]:
    for kind in FAILURES:
        pairs = zip(results.questions, results.whole, strict=True)
        found = [(question, given) for question, given in pairs if given.kind == kind]
        for question, given in found[:EXAMPLES]:
            why = f" ({given.why})" if given.why else ""
            answer = textwrap.shorten(given.written, SHOWN, placeholder=" …") or "nothing"
            yield f"  {kind}{why}: {question.text} → {answer}, not {in_words(question.answer)}"
