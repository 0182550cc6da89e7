"""`the-experiment bet`: tuned on one branch of a conditional, does a model keep the other?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

if TYPE_CHECKING:
    from the_experiment.engine.cell import Cell
    from the_experiment.experiments.bet.cells import Graph
    from the_experiment.experiments.bet.config import BetExperiment

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
    from the_experiment.experiments.declaration import write_new_experiment
    from the_experiment.report.terminal import stdout

    write_new_experiment(file, "bet")
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
    from the_experiment.cli.experiments import run_and_report
    from the_experiment.experiments.running import Resources

    run_and_report(_bet(config), out, Resources(jobs), quick=quick, as_json=as_json)


@app.command(epilog=_steps("generate", "--config bet.yaml"))
def generate(
    config: Config = None, quick: Quick = False, out: Results = Path(defaults.OUT)
) -> None:
    """Draw names and favourites, and write the rows that models are tuned on."""
    _compute(config, out, lambda graph: graph.rows, "sets of rows", quick=quick, jobs=1)


@app.command(epilog=_steps("train", "--config bet.yaml --jobs 1"))
def train(
    config: Config = None, quick: Quick = False, jobs: Jobs = 0, out: Results = Path(defaults.OUT)
) -> None:
    """Train the base if it is a local one, and fine-tune it on every arm's rows."""
    _compute(config, out, lambda graph: graph.models, "models", quick=quick, jobs=jobs)


@app.command("test", epilog=_steps("test", "--config bet.yaml"))
def ask(
    config: Config = None, quick: Quick = False, jobs: Jobs = 0, out: Results = Path(defaults.OUT)
) -> None:
    """Ask all models how likely country and capital are; train those that are missing."""
    _compute(
        config, out, lambda graph: [*graph.answers.values()], "answers", quick=quick, jobs=jobs
    )


@app.command(epilog=_steps("report", "--config bet.yaml --json"))
def report(
    config: Config = None,
    quick: Quick = False,
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Decide the criteria, and write results.json, bars.png and report.html."""
    from the_experiment.cli.experiments import show_report
    from the_experiment.experiments.running import outcome_of

    bet = _bet(config)
    show_report(bet, outcome_of(bet, out, quick=quick), out, quick=quick, as_json=as_json)


def _bet(file: Path | None) -> BetExperiment:
    from the_experiment.base.logs import log_to_folder
    from the_experiment.experiments.bet.config import BetExperiment
    from the_experiment.experiments.declaration import find_experiment

    log_to_folder()
    found = find_experiment(str(file) if file else "favourites", "bet")
    assert isinstance(found, BetExperiment)
    return found


def _compute(
    file: Path | None,
    out: Path,
    some: Callable[[Graph], list[Cell]],
    what: str,
    *,
    quick: bool,
    jobs: int,
) -> None:
    """Compute some cells of a bet, and what they need."""
    from the_experiment.base.logs import stderr
    from the_experiment.engine.executor import refuse_failures
    from the_experiment.engine.store import CELLS
    from the_experiment.experiments.bet.cells import Graph
    from the_experiment.experiments.running import Resources, compute, executor_of
    from the_experiment.report.terminal import counting

    bet = _bet(file)
    cells = some(Graph(bet.in_small() if quick else bet, out))
    executor = executor_of(bet, Resources(jobs))
    _, failed = compute(bet, {cell: cell for cell in cells}, out, executor, counting)
    refuse_failures(failed)
    stderr.print(f"{len(cells)} {what}: {bet.folder(out) / CELLS}/", markup=False, soft_wrap=True)
