"""`the-experiment generate`: write a dataset folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs()


@app.command(
    rich_help_panel=options.WORLDS_AND_DATA,
    epilog=options.examples(
        "the-experiment generate -o '1,1,1,1,1;0,0,0,0,0'",
        "the-experiment generate --hold-out-where 'A AND C' --out quadrant",
    ),
)
def generate(
    world: options.World = defaults.WORLD,
    hold_out: Annotated[
        str | None,
        options.Option(
            "--hold-out", "--omit", "-o", metavar="'SEQ;SEQ'", help="Hold out these sequences."
        ),
    ] = None,
    hold_out_fraction: Annotated[
        float,
        options.Option(
            "--hold-out-fraction",
            "--omit-fraction",
            min=0,
            max=1,
            help="Hold out a random share of the states.",
        ),
    ] = 0.0,
    hold_out_where: Annotated[
        str | None,
        options.Option(
            "--hold-out-where",
            "--omit-where",
            metavar="EXPR",
            help="Hold out the states for which this expression is true.",
        ),
    ] = None,
    hold_out_by: Annotated[
        Literal["meaning", "text"],
        options.Option(
            "--hold-out-by",
            "--omit-by",
            help="meaning: hold out every state that means the same as a held-out one, such as a "
            "program with other names; text: hold out these texts only.",
        ),
    ] = "meaning",
    train_size: Annotated[
        int, options.Option(min=1, help="The number of training rows.")
    ] = defaults.TRAIN_ROWS,
    valid_size: Annotated[
        int, options.Option(min=0, help="The number of validation rows.")
    ] = defaults.VALID_ROWS,
    test_size: Annotated[
        int, options.Option(min=0, help="The number of test rows.")
    ] = defaults.TEST_ROWS,
    seed: options.Seed = defaults.SEED,
    out: Annotated[Path, options.Option(help="The folder to write the dataset to.")] = Path(
        defaults.DATASET
    ),
) -> None:
    """Write training data from a world, with some of its states held out."""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.data.generate import Sizes
    from the_experiment.data.generate import generate as generate_dataset
    from the_experiment.data.holdout import HoldOut
    from the_experiment.report.summaries import dataset_summary
    from the_experiment.report.terminal import counting, stdout
    from the_experiment.worlds import find_world

    log_to_folder()
    sizes = Sizes(train=train_size, valid=valid_size, test=test_size)
    held = HoldOut.parse(hold_out, hold_out_fraction, hold_out_where, hold_out_by)
    with counting("writing rows", sizes.total()) as progress:
        folder = generate_dataset(find_world(world), held, sizes, seed, out, progress)
    stdout.print(dataset_summary(folder))
