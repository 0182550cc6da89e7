"""What came out of questions: accuracy, kinds of failures, and what each piece is worth."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import partial

from the_experiment.base.words import counted
from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.evaluation.paired import LEVEL
from the_experiment.evaluation.statistics import short
from the_experiment.experiments.questions.failures import FAILURES
from the_experiment.experiments.questions.importance import BEYOND, answers_map, grids, matrices
from the_experiment.experiments.questions.plots import failures_figure, layers_figure
from the_experiment.experiments.questions.results import ANSWERS, Results
from the_experiment.worlds.questions.answers import in_words

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
    maps = [*grids(results.importance), *matrices(results.importance)] if results.without else []
    tables = [_accuracy_table(results)]
    if failures:
        tables.append(Table(["wrong answers", "", BY_CHANCE], failures))
    charts = [Chart("failures", "What becomes of answers", partial(failures_figure, results))]
    if results.without:
        layers = partial(layers_figure, results.importance)
        charts.append(Chart("layers", "What each layer is worth", layers))
    return Outcome(
        title=heading(results),
        sentences=[*([STARRED] if results.without else []), *results.sentences()],
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
    taken = f", {len(results.without)} pieces set to {request.mode}" if results.without else ""
    return f"{request.model}, {asked} ({request.style}), right answers as {written!r}{taken}"


def _accuracy_table(results: Results) -> Table:
    rows = [[kind, *map(str, rates)] for kind, rates in results.accuracy.items()]
    return Table(["", "right", BASELINE], rows, heading(results))


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
