"""The verbs that test models against the rules: on one sequence, and on every state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs()


@app.command(
    rich_help_panel=options.TESTING,
    epilog=options.examples(
        "the-experiment test '1,0,1,0,1'", "the-experiment test '0,0,1,1,1' --json"
    ),
    context_settings={"ignore_unknown_options": True},  # a sequence may begin with a minus
)
def test(
    sequence: options.State,
    model: options.Models = defaults.EVERY_MODEL,
    world: options.OnlyWorld = "",
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Answer a sequence by the rules, then by each trained model, part by part."""
    from the_experiment.evaluation.answers import answer
    from the_experiment.evaluation.trained import trained_models
    from the_experiment.report.comparison import answers_table
    from the_experiment.report.terminal import print_json, stdout

    answers = answer(sequence, trained_models(out, world or None, model))
    if as_json:
        print_json(answers.as_json())
    else:
        stdout.print(answers_table(answers))


@app.command(
    rich_help_panel=options.TESTING,
    epilog=options.examples(
        "the-experiment compare", "the-experiment compare --html report.html --json"
    ),
)
def compare(
    model: options.Models = defaults.EVERY_MODEL,
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
    comparisons = compare_models(trained_models(out, world or None, model))
    if html is not None:
        write_comparison_page(comparisons, html)
    if as_json:
        print_json([comparison.as_json() for comparison in comparisons])
    else:
        for comparison in comparisons:
            stdout.print(comparison_view(comparison))
