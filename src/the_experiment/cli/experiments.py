"""`the-experiment experiments`: whole experiments, declared in one file each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

if TYPE_CHECKING:
    from the_experiment.engine.outcome import Outcome
    from the_experiment.experiments.experiment import Experiment
    from the_experiment.experiments.running import Resources

app = Verbs(
    help="List, show, check, run, watch, resume, report and start whole experiments.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment experiments run seed-claim --quick",
        "the-experiment experiments new mine.yaml",
    ),
)

Which = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE|FOLDER",
        help="An experiment by name, its YAML file, or the folder of one that was begun.",
    ),
]
Quick = Annotated[
    bool,
    options.Option("--quick", help="Run only a sample of the cells: minutes instead of hours."),
]
Jobs = Annotated[
    int,
    options.Option(
        min=0,
        help="The number of cells at a time. 1: in this process. 0: as suits the kind.",
    ),
]
Results = Annotated[
    Path,
    options.Option(
        "--out", help="The output folder. Results go to a folder of the experiment's name in it."
    ),
]


@app.command(
    "list",
    epilog=options.examples(
        "the-experiment experiments list", "the-experiment experiments list --json"
    ),
)
def list_experiments(as_json: options.AsJson = False) -> None:
    """List the experiments that ship with the package or are plugged in, with their kind."""
    from rich.markup import escape

    from the_experiment.experiments.declaration import experiment_names, find_experiment
    from the_experiment.report.terminal import print_json, stdout

    found = {name: find_experiment(name) for name in experiment_names()}
    if as_json:
        print_json(
            {name: {"kind": one.kind, "question": one.question} for name, one in found.items()}
        )
    else:
        for name, one in found.items():
            stdout.print(f"[bold]{escape(name)}[/] ({one.kind})  {escape(one.question)}")


@app.command(
    epilog=options.examples(
        "the-experiment experiments show seed-claim",
        "the-experiment experiments show mine.yaml --json",
    )
)
def show(which: Which, as_json: options.AsJson = False) -> None:
    """Show what an experiment asks, of what, and what would count."""
    from the_experiment.experiments.declaration import find_experiment
    from the_experiment.report.terminal import print_json, stdout

    experiment = find_experiment(which)
    if as_json:
        print_json(experiment.model_dump(mode="json"))
        return
    stdout.print(f"{experiment.name}: {experiment.question}", style="bold", markup=False)
    for about, text in experiment.summary().items():
        stdout.print(f"{about:<12} {text}", markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment experiments check mine.yaml",
        "the-experiment experiments check seed-claim --quick",
    )
)
def check(which: Which, quick: Quick = False, out: Results = Path(defaults.OUT)) -> None:
    """Check an experiment without running it, and count the cells that are left to compute."""
    from the_experiment.experiments.running import progress_of
    from the_experiment.report.terminal import stdout

    experiment, out = _checked(which, out)
    progress = progress_of(experiment, out, quick=quick)
    stdout.print(f"{experiment.name} ({experiment.kind}): {progress}", markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment experiments status seed-claim --quick",
        "the-experiment experiments status out/experiments/mine --json",
    )
)
def status(
    which: Which,
    quick: Quick = False,
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Show how far a running experiment is: cells left, running, failed; time left; best, worst."""
    from dataclasses import asdict

    from the_experiment.experiments.declaration import find_experiment, output_folder
    from the_experiment.experiments.running import progress_of, refuse_not_begun, so_far
    from the_experiment.report.terminal import print_json, stdout

    experiment, out = find_experiment(which), output_folder(which, out)
    refuse_not_begun(experiment, out)
    progress = progress_of(experiment, out, quick=quick)
    sentences = so_far(experiment, out, quick=quick)
    if as_json:
        print_json({**asdict(progress), "so_far": sentences})
    else:
        stdout.print(f"{experiment.name} ({experiment.kind}): {progress}", markup=False)
        for sentence in sentences:
            stdout.print(sentence, markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment experiments run seed-claim --quick",
        "the-experiment experiments run mine.yaml --jobs 2",
    )
)
def run(
    which: Which,
    quick: Quick = False,
    jobs: Jobs = 0,
    out: Results = Path(defaults.OUT),
    executor: options.OnExecutor = "local",
    address: options.Address = "",
    gpus: options.Gpus = 0.0,
    as_json: options.AsJson = False,
) -> None:
    """Run an experiment, without repeating what is done, and write its report."""
    from the_experiment.experiments.running import Resources

    experiment, out = _checked(which, out)
    resources = Resources(jobs, executor=executor, address=address, gpus=gpus)
    run_and_report(experiment, out, resources, quick=quick, as_json=as_json)


@app.command(
    epilog=options.examples(
        "the-experiment experiments resume seed-claim --quick",
        "the-experiment experiments resume out/experiments/mine",
    )
)
def resume(
    which: Which,
    quick: Quick = False,
    jobs: Jobs = 0,
    out: Results = Path(defaults.OUT),
    executor: options.OnExecutor = "local",
    address: options.Address = "",
    gpus: options.Gpus = 0.0,
    as_json: options.AsJson = False,
) -> None:
    """Go on with an experiment that was begun; one that was not is refused."""
    from the_experiment.experiments.running import Resources, refuse_not_begun

    experiment, out = _checked(which, out)
    refuse_not_begun(experiment, out)
    resources = Resources(jobs, executor=executor, address=address, gpus=gpus)
    run_and_report(experiment, out, resources, quick=quick, as_json=as_json)


@app.command(
    epilog=options.examples(
        "the-experiment experiments report seed-claim --quick",
        "the-experiment experiments report out/experiments/mine --json",
    )
)
def report(
    which: Which,
    quick: Quick = False,
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Write the report of an experiment again from what is computed; nothing is run."""
    from the_experiment.experiments.declaration import find_experiment, output_folder
    from the_experiment.experiments.running import outcome_of

    experiment, out = find_experiment(which), output_folder(which, out)
    outcome = outcome_of(experiment, out, quick=quick)
    show_report(experiment, outcome, out, quick=quick, as_json=as_json)


@app.command(
    epilog=options.examples(
        "the-experiment experiments new mine.yaml",
        "the-experiment experiments new mine.yaml --kind dynamics",
    )
)
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    kind: Annotated[
        str,
        options.Option(
            help="The kind: splits, dynamics, programs, tracing, questions, bet or traces."
        ),
    ] = "splits",
) -> None:
    """Start an experiment file of your own; a file already there is left alone."""
    from the_experiment.experiments.declaration import write_new_experiment
    from the_experiment.report.terminal import stdout

    write_new_experiment(file, kind)
    stdout.print(
        f"wrote {file}; edit it, then run `the-experiment experiments run {file} --quick`",
        markup=False,
    )


def _checked(which: str, out: Path) -> tuple[Experiment, Path]:
    """The experiment, checked as far as can be told before it runs, and its output folder."""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.experiments.declaration import find_experiment, naming_file, output_folder

    experiment = find_experiment(which)
    naming_file(which, experiment.check_models)
    log_to_folder()
    return experiment, output_folder(which, out)


def run_and_report(
    experiment: Experiment,
    out: Path,
    resources: Resources | None = None,
    *,
    quick: bool,
    as_json: bool,
) -> None:
    """Run what is missing, and show and write the report."""
    from the_experiment.experiments.running import Resources, executor_of, run
    from the_experiment.report.terminal import counting

    executor = executor_of(experiment, resources or Resources())
    outcome = run(experiment, out, quick=quick, executor=executor, counting=counting)
    show_report(experiment, outcome, out, quick=quick, as_json=as_json)
    if outcome.failed:
        raise typer.Exit(1)


def show_report(
    experiment: Experiment, outcome: Outcome, out: Path, *, quick: bool, as_json: bool
) -> None:
    """Print what came out, and write the report."""
    from the_experiment.base.logs import stderr
    from the_experiment.experiments.running import write_report
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import print_json, stdout

    page = write_report(experiment, outcome, out, quick=quick)
    if as_json:
        print_json(outcome.figures)
    else:
        stdout.print(outcome_view(outcome))
    stderr.print(f"report: {page}", markup=False, soft_wrap=True)
