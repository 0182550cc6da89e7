"""HTML pages that need no network: styles and plots stand in the file itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.base.files import write_text
from the_experiment.evaluation.answers import Answers
from the_experiment.evaluation.compare import Comparison
from the_experiment.evaluation.contestants import Contestant
from the_experiment.evaluation.limits import SplitLimits
from the_experiment.evaluation.statistics import Rate
from the_experiment.evaluation.verdicts import LINES
from the_experiment.report.comparison import HOW_TO_READ, sheets
from the_experiment.report.plots import Bar, bars_figure, svg

MARK = '<meta name="generator" content="the-experiment">'  # in the head of every page
HEAD = 1_000  # characters within which it stands


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render a template of this room into a file; every value is escaped."""
    write_text(path, _rendered(template, **values))


def refuse_other_files(path: Path) -> None:
    """Raise `UsageError` where a page would overwrite anything but a page that we wrote."""
    if not path.exists():
        return
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            if MARK in file.read(HEAD):
                return
    raise UsageError(
        f"{path} already exists and is not a page of the-experiment",
        "give another name, or move it away",
    )


def _rendered(template: str, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("the_experiment.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(template).render(**values)


def answers_fragment(answers: Answers) -> str:
    """A piece of a page: the answers of the rules and of each model, right and wrong coloured."""
    spans = answers.world.spans(answers.right)
    truth = {part: span.value for part, span in spans.items() if span}
    return _rendered("answers.html", answers=answers, truth=truth)


def limits_fragment(splits: Sequence[SplitLimits]) -> str:
    """A piece of a page: what is held out from which models, and what that can't show."""
    return _rendered("limits.html", splits=splits)


def write_comparison_page(comparisons: Sequence[Comparison], path: Path) -> None:
    """The tables, verdicts and a plot for each split."""
    write_page(
        path,
        "comparison.html",
        title="Rule or pattern?",
        comparisons=[
            (one, sheets(one), svg(figure) if (figure := held_out_figure(one)) else "")
            for one in comparisons
        ],
        how_to_read=HOW_TO_READ,
    )


def held_out_figure(comparison: Comparison) -> Any:
    """New cases that are right: a panel for the rules, one for the aggregates."""
    panels = {
        f"{measure}: right in new cases": [
            _bar(one, measure)
            for one in comparison.contestants
            if measure in one.held_out and one.held_out[measure].new.n
        ]
        for measure in LINES.values()
        if measure in comparison.exam.measures
    }
    return bars_figure(panels) if any(panels.values()) else None


def _bar(one: Contestant, measure: str) -> Bar:
    """A model with its interval; a baseline from what it always has right to what it may have."""
    count = one.held_out[measure].new
    rate = Rate(count.always, count.n)
    low, high = count.always / count.n, count.sometimes / count.n
    ends = (rate.low, rate.high) if one.is_model else (low, high)
    return Bar(one.name, count.share, *ends, is_model=one.is_model)
