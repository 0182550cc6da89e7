"""Answers to questions: in the terminal, and as files, pictures and a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from the_experiment.base.files import write_json
from the_experiment.base.words import counted
from the_experiment.engine.outcome import HeatMap
from the_experiment.evaluation.failures import FAILURES
from the_experiment.evaluation.paired import LEVEL
from the_experiment.evaluation.statistics import short
from the_experiment.inside.importance import BEYOND, answers_map, grids, matrices
from the_experiment.inside.question_results import RESULTS, Results
from the_experiment.report.blocks import Blocks
from the_experiment.report.heatmaps import heat_map_view, hover_map, write_picture
from the_experiment.report.html import write_page
from the_experiment.report.outcome import HIGHEST, WIDEST, plotly_beside
from the_experiment.report.question_plots import write_failures, write_layers
from the_experiment.worlds.questions.answers import in_words

EXAMPLES = 2  # of each kind of failure
SHOWN = 60  # characters of an answer
BASELINE = "commonest answer"
STARRED = (
    f"{BEYOND} more than chance explains: p < {LEVEL}, by Holm among all of its kind and measure"
)
BY_CHANCE = "by chance: right answers to other questions"


def write_results(results: Results, folder: Path) -> None:
    """Write `results.json`, `summary.json`, the pictures, and a page with hover."""
    write_json(folder / RESULTS, results.model_dump(mode="json", by_alias=True))
    write_failures(results, folder / "failures.png")
    maps: list[HeatMap] = []
    if results.without:
        maps = _maps(results)
        if maps:
            write_picture(maps, folder / "heads.png")
        write_layers(results.importance, folder / "layers.png")
        maps.append(answers_map(results.importance))
    _write_page(results, maps, folder / "report.html")
    write_json(folder / "summary.json", results.summary())


def _write_page(results: Results, maps: list[HeatMap], path: Path) -> None:
    write_page(
        path,
        "questions.html",
        title=heading(results),
        script=plotly_beside(path.parent),
        accuracy=[
            (kind, str(right), str(baseline))
            for kind, (right, baseline) in results.accuracy.items()
        ],
        failures=list(_failures(results)),
        by_chance=BY_CHANCE,
        examples=list(_examples(results)),
        sentences=results.sentences(),
        starred=STARRED,
        pictures=[
            name for name in ("failures.png", "layers.png") if (path.parent / name).is_file()
        ],
        plots=[hover_map(one) for one in maps],
    )


def results_view(results: Results) -> Group:
    """Accuracy, failures with examples, and what the ablations say."""
    shown: list[RenderableType] = [Text(heading(results), style="bold"), _accuracy_table(results)]
    failures = list(_failures(results))
    if failures:
        table = Blocks(["wrong answers", "", BY_CHANCE])
        for row in failures:
            table.add_row(list(row), style="")
        shown += ["", table, *map(Text, _examples(results))]
    if results.without:
        maps = [*_maps(results), answers_map(results.importance)]
        fitting = [m for m in maps if len(m.columns) <= WIDEST and len(m.rows) <= HIGHEST]
        shown += [part for one in fitting for part in ("", heat_map_view(one))]
        shown += ["", Text(STARRED, style="dim"), *map(Text, results.sentences())]
    return Group(*shown)


def _maps(results: Results) -> list[HeatMap]:
    return [*grids(results.importance), *matrices(results.importance)]


def heading(results: Results) -> str:
    """What was asked of which model, and how."""
    request = results.request
    asked = counted(len(request.questions), "question")
    if request.left_out:
        asked += f" without {len(request.left_out)} too long for the model"
    written = results.form.before + "ANSWER"
    taken = f", {len(results.without)} pieces set to {request.mode}" if results.without else ""
    return f"{request.model}, {asked} ({request.style}), right answers as {written!r}{taken}"


def _accuracy_table(results: Results) -> Blocks:
    table = Blocks(["", "right", BASELINE])
    for kind, rates in results.accuracy.items():
        table.add_row([kind, *map(str, rates)], style="")
    return table


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
