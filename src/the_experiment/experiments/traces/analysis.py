"""What came out of tuned models: tables, a picture by set and kind, the published figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.evaluation.statistics import Rate, join_names, newcombe, short
from the_experiment.experiments.traces.asking_models import PuzzleSet
from the_experiment.experiments.traces.results import ALL, COMMONEST, TraceResults
from the_experiment.report.plots import Bar, bars_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SOURCE = "LLM Causal Reasoning: Initial Report (Claire), section 4.5"
TESTED = {"gpqa_diamond": 198, "gpqa_extended": 546, "gsm8k": 1319}  # questions, as published


@dataclass(frozen=True)
class PublishedGain:
    """One benchmark and size of model, before and after tuning."""

    benchmark: str
    size: str  # parameters
    base: Rate
    tuned: Rate

    @property
    def gain(self) -> float:
        """What tuning added to the share that is right."""
        return self.tuned.share - self.base.share

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the gain, as of two samples (Newcombe 1998, method 10).

        Which questions were right both times was not published; it would mostly narrow this.

        >>> found = PublishedGain("gsm8k", "0.5B", Rate(290, 1319), Rate(409, 1319))
        >>> tuple(round(end, 3) for end in found.interval)
        (0.057, 0.124)
        """
        return newcombe(self.tuned, self.base)

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval leaves out 0."""
        low, high = self.interval
        return low > 0 or high < 0


def _published(benchmark: str, size: str, base: float, tuned: float) -> PublishedGain:
    """From shares of two digits, which is all that was published."""
    n = TESTED[benchmark]
    return PublishedGain(benchmark, size, Rate(round(base * n), n), Rate(round(tuned * n), n))


PUBLISHED = (
    _published("gpqa_diamond", "0.5B", 0.23, 0.27),
    _published("gpqa_diamond", "1.5B", 0.29, 0.29),
    _published("gpqa_diamond", "7B", 0.32, 0.38),
    _published("gpqa_extended", "0.5B", 0.26, 0.27),
    _published("gpqa_extended", "1.5B", 0.31, 0.29),
    _published("gpqa_extended", "7B", 0.33, 0.35),
    _published("gsm8k", "0.5B", 0.22, 0.31),
    _published("gsm8k", "1.5B", 0.29, 0.61),
    _published("gsm8k", "7B", 0.77, 0.88),
)


ABOUT = (
    "Share of questions that are answered right, with Wilson 95% intervals. Puzzles' answers are "
    "decoded greedily and graded by code; benchmarks are asked and graded by lm-eval: gsm8k by "
    "what is written, gpqa by which of four answers is likeliest. The base is asked as it is; "
    "format is tuned on the tags with filler for a trace, answers on the answers alone."
)
ABOUT_PUBLISHED = (
    "Counts are the published shares, of two digits, times the size of each public test set. "
    "Interval of the gain: Newcombe's, as of two samples."
)


def outcome_of(results: TraceResults, title: str) -> Outcome:
    """Right answers by set, benchmark and kind, beside what was published."""
    return Outcome(
        title=f"{title}: tuned on traces of causal reasoning",
        about=[ABOUT],
        sentences=[*results.sentences(), published_sentence()],
        tables=[
            set_table(results),
            *(kind_table(results, asked) for asked in results.sets),
            published_table(),
        ],
        charts=[
            Chart("traces", "By set and kind", partial(_figure, results)),
            Chart("published", "As published", _published_figure, ABOUT_PUBLISHED),
        ],
        texts=_examples(results),
        figures=results.as_json(),
    )


def set_table(results: TraceResults) -> Table:
    """Each model and the baseline, by set of puzzles and benchmark."""
    rows = [
        [model, *(str(found.get(model, "")) for found in results.totals.values())]
        for model in (*results.models, COMMONEST)
    ]
    return Table(["right", *results.totals], rows, baselines={COMMONEST})


def kind_table(results: TraceResults, asked: PuzzleSet) -> Table:
    """Each model and the baseline on one set, by kind of puzzle."""
    rates = results.rates(asked)
    kinds = [kind for kind in rates[COMMONEST] if kind != ALL]
    rows = [[model, *(str(found[kind]) for kind in kinds)] for model, found in rates.items()]
    return Table([asked.name, *kinds], rows, baselines={COMMONEST})


def published_table() -> Table:
    """Each benchmark and size: before, after, and whether it is more than noise."""
    rows = []
    for one in PUBLISHED:
        low, high = one.interval
        verdict = "beyond noise" if one.beyond_noise else "inside the noise"
        ends = f"{short(low)} to {short(high)}"
        rows.append(
            [one.benchmark, one.size, str(one.base), str(one.tuned), short(one.gain), ends, verdict]
        )
    return Table(["published", "size", "base", "tuned", "gain", "95% interval", ""], rows)


def published_sentence() -> str:
    """Which of the published gains are more than their test sets can be wrong by."""

    def told(one: PublishedGain) -> str:
        return f"{one.benchmark} {one.size}"

    sure = [told(one) for one in PUBLISHED if one.beyond_noise]
    return (
        f"{SOURCE}: {len(sure)} of {len(PUBLISHED)} gains are beyond the noise of their test sets: "
        f"{join_names(sure)}. No control was published, so they don't tell reasoning from format."
    )


def _published_figure() -> Figure:
    """A panel for each benchmark: share right by size, base and tuned."""
    panels: dict[str, list[Bar]] = {}
    for one in PUBLISHED:
        bars = panels.setdefault(f"{one.benchmark}, n = {one.base.n}", [])
        for name, rate in (("base", one.base), ("tuned", one.tuned)):
            label = f"{one.size} {name}"
            bars.append(Bar(label, rate.share, rate.low, rate.high, is_model=name == "tuned"))
    return bars_figure(panels)


def _figure(results: TraceResults) -> Figure:
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


def _examples(results: TraceResults) -> dict[str, str]:
    """The first puzzle of each set, and what each model wrote."""
    return {
        f"{asked.name}: {model}": f"{puzzle.question} ({puzzle.answer})\n\n{written}"
        for asked in results.sets
        for puzzle in asked.puzzles[:1]
        for model, answers in results.answers.items()
        for written in [answers[asked.name][0].written]
    }
