"""`the-experiment bet`: tuned on one branch of a conditional, does a model keep the other?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.verb import Verbs

if TYPE_CHECKING:
    from the_experiment.experiments.bet.runner import Bet

app = Verbs(
    help="Fine-tuned on one branch of a conditional, does a model keep the other? "
    "Run it whole, or step by step: generate, train, test, report.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment bet run --quick",
        "the-experiment bet new bet.yaml",
        "the-experiment bet run --config bet.yaml",
    ),
)

Config = Annotated[
    Path | None,
    options.Option(
        "--config",
        metavar="FILE",
        help="A YAML file with the settings of the bet.",
        show_default="the bet that ships",
    ),
]
Quick = Annotated[
    bool,
    options.Option("--quick", help="Run only the corners of the grid: minutes instead of hours."),
]
Jobs = Annotated[
    int,
    options.Option(
        min=0, help="Parallel processes. 0: one per core for a local model, otherwise one."
    ),
]
Results = Annotated[Path, options.Option(help="The output folder. Results go to bet/NAME/ in it.")]


def _steps(step: str, of: str) -> str:
    return options.examples(f"the-experiment bet {step} --quick", f"the-experiment bet {step} {of}")


@app.command(
    epilog=options.examples(
        "the-experiment bet new bet.yaml", "the-experiment bet run --config bet.yaml --quick"
    )
)
def new(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Start a bet file of your own; a file already there is left alone."""
    from the_experiment.experiments.bet.config import write_new_config
    from the_experiment.report.terminal import stdout

    write_new_config(file)
    stdout.print(
        f"wrote {file}; edit it, then run `the-experiment bet run --config {file}`", markup=False
    )


@app.command(epilog=_steps("run", "--config bet.yaml --jobs 2"))
def run(
    config: Config = None,
    quick: Quick = False,
    jobs: Jobs = 0,
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Generate, train, test and report, without repeating what is done."""
    bet = _claimed(config, out, quick=quick)
    _train(bet, jobs)
    _test(bet, jobs)
    _report(bet, as_json=as_json)


@app.command(epilog=_steps("generate", "--config bet.yaml"))
def generate(
    config: Config = None, quick: Quick = False, out: Results = Path(defaults.OUT)
) -> None:
    """Draw names and favourites, and write the rows that models are tuned on."""
    from the_experiment.base.logs import stderr

    bet = _claimed(config, out, quick=quick)
    from the_experiment.experiments.bet.runner import generate

    generate(bet)
    stderr.print(f"rows: {bet.folder}/data/", markup=False, soft_wrap=True)


@app.command(epilog=_steps("train", "--config bet.yaml --jobs 1"))
def train(
    config: Config = None, quick: Quick = False, jobs: Jobs = 0, out: Results = Path(defaults.OUT)
) -> None:
    """Train the base if it is a local one, and fine-tune it on every cell's rows."""
    _train(_claimed(config, out, quick=quick), jobs)


@app.command("test", epilog=_steps("test", "--config bet.yaml"))
def ask(
    config: Config = None, quick: Quick = False, jobs: Jobs = 0, out: Results = Path(defaults.OUT)
) -> None:
    """Ask all models how likely country and capital are, before and after tuning."""
    _test(_claimed(config, out, quick=quick), jobs)


@app.command(epilog=_steps("report", "--config bet.yaml --json"))
def report(
    config: Config = None,
    quick: Quick = False,
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Decide the criteria, and write results.json, bars.png and report.html."""
    _report(_claimed(config, out, quick=quick), as_json=as_json)


def _claimed(file: Path | None, out: Path, *, quick: bool) -> Bet:
    from the_experiment.base.logs import log_to_folder
    from the_experiment.experiments.bet.config import read_config
    from the_experiment.experiments.bet.runner import claimed_bet

    log_to_folder()
    return claimed_bet(read_config(file), out, quick=quick)


def _train(bet: Bet, jobs: int) -> None:
    from the_experiment.experiments.bet.runner import train
    from the_experiment.report.terminal import counting

    with counting("models", bet.models) as progress:
        train(bet, jobs, progress)


def _test(bet: Bet, jobs: int) -> None:
    from the_experiment.experiments.bet.runner import test
    from the_experiment.report.terminal import counting

    with counting("questions", bet.askings) as progress:
        test(bet, jobs, progress)


def _report(bet: Bet, *, as_json: bool) -> None:
    from the_experiment.base.logs import stderr
    from the_experiment.experiments.bet.report import bet_view, write_report
    from the_experiment.experiments.bet.results import outcome_of
    from the_experiment.report.terminal import print_json, stdout

    outcome = outcome_of(bet)
    page = write_report(outcome)
    if as_json:
        print_json(outcome.as_json())
    else:
        stdout.print(bet_view(outcome))
    stderr.print(f"report: {page}", markup=False, soft_wrap=True)
