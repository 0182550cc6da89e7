"""`the-experiment sweep`: every model on every hold-out with every seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs()
MODELS = "gpt2,rnn,cnn"


@app.command(
    rich_help_panel=options.EXPERIMENTS,
    epilog=options.examples(
        "the-experiment sweep --hold-out 'fraction=0.1..0.9:0.1' --seeds 1-5",
        "the-experiment sweep --hold-out 'where=A AND C' --hold-out each-state --model gpt2 "
        "--budget 30m",
    ),
)
def sweep(
    hold_out: Annotated[
        list[str],
        options.Option(
            metavar="HOLD-OUT",
            help="States to hold out: fraction=0.25, fraction=0.1..0.9:0.1 (from, to, step), "
            "'where=A AND C' or each-state (one after the other). Can be repeated.",
        ),
    ],
    world: options.World = defaults.WORLD,
    model: Annotated[
        str, options.Option("--model", "-m", help="The architectures to train.", metavar=MODELS)
    ] = MODELS,
    seeds: Annotated[
        str,
        options.Option(
            metavar="1-5",
            help="The seeds. Each draws its own data, its own fractions and its own weights.",
        ),
    ] = "1-3",
    epochs: Annotated[
        int,
        options.Option(min=1, help="The maximum number of epochs; training stops once it fits."),
    ] = defaults.EPOCHS,
    train_size: Annotated[
        int, options.Option(min=1, help="The number of training rows.")
    ] = defaults.TRAIN_ROWS,
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        options.Option(
            help="The device to train on; auto: a GPU if there is one. There all GPT-2s train "
            "at once."
        ),
    ] = "auto",
    jobs: Annotated[
        int, options.Option(min=0, help="The number of processes. 0: one for each core.")
    ] = 0,
    budget: Annotated[
        str,
        options.Option(
            metavar="30m",
            help="Stop after this time (such as 90s, 30m or 2h) and report what is there.",
            show_default="no limit",
        ),
    ] = "",
    executor: options.OnExecutor = "local",
    address: options.Address = "",
    gpus: options.Gpus = 0.0,
    name: Annotated[
        str, options.Option(help="The name of the results folder.", show_default="sweep-WORLD-…")
    ] = "",
    out: Annotated[
        Path, options.Option(help="The output folder. Results go to experiments/NAME/ in it.")
    ] = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Train every architecture on every hold-out with every seed, and plot what generalises.

    Run again, it goes on where it was; `experiments check|report|resume FOLDER` know it too.
    """
    from the_experiment.base.logs import log_to_folder
    from the_experiment.cli.experiments import run_and_report
    from the_experiment.experiments.declaration import naming_file
    from the_experiment.experiments.recipe import TrainingRecipe
    from the_experiment.experiments.running import Resources
    from the_experiment.experiments.splits.sweep import chosen_device, sweep_of

    log_to_folder()
    train_on = chosen_device(device, executor, gpus)
    recipe = TrainingRecipe(epochs=epochs, train_rows=train_size, device=train_on)
    models = [one.strip() for one in model.split(",")]
    experiment = sweep_of(world, hold_out, models, options.numbers(seeds), recipe, name)
    naming_file("sweep", experiment.check)
    naming_file("sweep", experiment.check_models)
    resources = Resources(jobs, options.seconds(budget), executor, address, gpus)
    run_and_report(experiment, out, resources, quick=False, as_json=as_json)
