"""`the-experiment experiments`: whole experiments, declared in one file each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.verb import Verbs

if TYPE_CHECKING:
    from the_experiment.experiments.dynamics.config import Course
    from the_experiment.experiments.splits.config import Experiment

app = Verbs(
    help="List, show, run and start whole experiments.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment experiments run seed-claim --quick",
        "the-experiment experiments new mine.yaml",
    ),
)

Which = Annotated[str, typer.Argument(metavar="NAME|FILE")]


@app.command(
    "list",
    epilog=options.examples(
        "the-experiment experiments list", "the-experiment experiments list --json"
    ),
)
def list_experiments(as_json: options.AsJson = False) -> None:
    """List the experiments that ship with the package or are plugged in."""
    from rich.markup import escape

    from the_experiment.experiments.declaration import experiment_names, find_experiment
    from the_experiment.report.terminal import print_json, stdout

    found = {name: find_experiment(name).question for name in experiment_names()}
    if as_json:
        print_json(found)
    else:
        for name, question in found.items():
            stdout.print(f"[bold]{escape(name)}[/]  {escape(question)}")


@app.command(
    epilog=options.examples(
        "the-experiment experiments show seed-claim",
        "the-experiment experiments show mine.yaml --json",
    )
)
def show(which: Which, as_json: options.AsJson = False) -> None:
    """Show an experiment: its question, hold-outs, models, claim, and what would count."""
    from the_experiment.experiments.declaration import find_experiment
    from the_experiment.experiments.dynamics.config import Course
    from the_experiment.experiments.dynamics.report import course_sheet
    from the_experiment.experiments.splits.report import experiment_sheet
    from the_experiment.report.terminal import print_json, stdout

    experiment = find_experiment(which)
    if as_json:
        print_json(experiment.model_dump())
    elif isinstance(experiment, Course):
        stdout.print(course_sheet(experiment))
    else:
        stdout.print(experiment_sheet(experiment))


@app.command(
    epilog=options.examples(
        "the-experiment experiments run seed-claim --quick",
        "the-experiment experiments run mine.yaml --jobs 2",
    )
)
def run(
    which: Which,
    quick: Annotated[
        bool,
        options.Option("--quick", help="Run only a sample of the cells: minutes instead of hours."),
    ] = False,
    jobs: Annotated[
        int, options.Option(min=0, help="Parallel processes of one thread each. 0: one per core.")
    ] = 0,
    out: Annotated[
        Path,
        options.Option(help="The output folder. Results and report go to experiments/NAME/ in it."),
    ] = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Run an experiment, without repeating what is done, and write its report."""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.experiments.declaration import find_experiment
    from the_experiment.experiments.dynamics.config import Course

    log_to_folder()
    experiment = find_experiment(which)
    if isinstance(experiment, Course):
        _run_course(experiment, out, quick=quick, as_json=as_json)
    else:
        _run_cells(experiment, which, out, jobs, quick=quick, as_json=as_json)


def _run_course(course: Course, out: Path, *, quick: bool, as_json: bool) -> None:
    from the_experiment.base.logs import stderr
    from the_experiment.experiments.dynamics.report import course_json, course_view, write_course
    from the_experiment.experiments.dynamics.runner import run_course
    from the_experiment.report.terminal import print_json, stdout

    outcome = run_course(course, out, quick=quick)
    page = write_course(outcome)
    if as_json:
        print_json(course_json(outcome))
    else:
        stdout.print(course_view(outcome))
    stderr.print(f"report: {page}", markup=False)


def _run_cells(
    experiment: Experiment, which: str, out: Path, jobs: int, *, quick: bool, as_json: bool
) -> None:
    from the_experiment.base.logs import stderr
    from the_experiment.base.runs import EXPERIMENTS
    from the_experiment.experiments.checks import check_models
    from the_experiment.experiments.splits.cells import fits_of
    from the_experiment.experiments.splits.report import (
        Outcome,
        report_json,
        results_table,
        write_report,
    )
    from the_experiment.experiments.splits.runner import run_fits
    from the_experiment.report.terminal import counting, print_json, stdout

    check_models(experiment, which)
    folder = out / EXPERIMENTS / experiment.name
    fits = fits_of(experiment, quick=quick)
    with counting("cells", len(fits)) as progress:
        results = run_fits(experiment, fits, folder, jobs, progress)
    outcome = Outcome.of(experiment, results, quick=quick)
    page = write_report(outcome, folder)
    if as_json:
        print_json(report_json(outcome))
    else:
        stdout.print(results_table(outcome))
    stderr.print(f"report: {page}", markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment experiments new mine.yaml",
        "the-experiment experiments run mine.yaml --quick",
    )
)
def new(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Start an experiment file of your own; a file already there is left alone."""
    from the_experiment.experiments.declaration import write_new_experiment
    from the_experiment.report.terminal import stdout

    write_new_experiment(file)
    stdout.print(
        f"wrote {file}; edit it, then run `the-experiment experiments run {file} --quick`",
        markup=False,
    )
