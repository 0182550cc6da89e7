"""HTML pages that need no network: styles and plots stand in the file itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from the_experiment.base.files import write_text
from the_experiment.evaluation.answers import Answers
from the_experiment.evaluation.compare import Comparison
from the_experiment.report.plots import Bar, bars_figure, svg
from the_experiment.worlds import EXACT


def write_page(path: Path, template: str, **values: Any) -> None:
    """Render a template of this room into a file; every value is escaped."""
    write_text(path, _rendered(template, **values))


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


def write_comparison_page(comparisons: Sequence[Comparison], path: Path) -> None:
    """The tables, verdicts and a plot for each split."""
    write_page(
        path,
        "comparison.html",
        title="Rule or pattern?",
        comparisons=[
            (one, svg(held_out_figure(one)) if one.held_out_states else "") for one in comparisons
        ],
    )


def held_out_figure(comparison: Comparison) -> Any:
    """Exact match on held-out states with intervals: models first, then baselines."""
    (heading, rows), _ = comparison.tables
    bars = []
    for one, rates in rows:
        rate = rates[EXACT]
        if rate.n:
            bars.append(Bar(one.name, rate.share, rate.low, rate.high, is_model=one.is_model))
    return bars_figure({f"Exact on {heading}": bars})
