"""`the-experiment compare`: every model and baseline on every state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from the_experiment.base import defaults
from the_experiment.cli import options

EXAMPLES = options.examples(
    "the-experiment compare", "the-experiment compare --html report.html --json"
)


def compare(
    world: options.OnlyWorld = "",
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
    html: Annotated[
        Path | None, options.Option(help="Also write the results as an HTML page to this file.")
    ] = None,
) -> None:
    """Exact match and every part's accuracy on all states, beside baselines, with a verdict."""
    from the_experiment.evaluation.compare import compare as compare_models
    from the_experiment.evaluation.trained import trained_models
    from the_experiment.report.comparison import comparison_view
    from the_experiment.report.html import refuse_other_files, write_comparison_page
    from the_experiment.report.terminal import print_json, stdout

    if html is not None:
        refuse_other_files(html)  # before minutes are spent
    comparisons = compare_models(trained_models(out, world or None))
    if html is not None:
        write_comparison_page(comparisons, html)
    if as_json:
        print_json([comparison.as_json() for comparison in comparisons])
    else:
        for comparison in comparisons:
            stdout.print(comparison_view(comparison))
