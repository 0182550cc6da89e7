"""`the-experiment demo`: the whole way once, in the verbs that one would type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.compare import compare, test
from the_experiment.cli.generate import generate
from the_experiment.cli.options import Verbs
from the_experiment.cli.train import train

SIX_OF_32 = 6 / 32

app = Verbs()


@app.command(
    rich_help_panel=options.EXPERIMENTS,
    epilog=options.examples(
        "the-experiment demo", "the-experiment demo --seeds 1-5 --out out/five"
    ),
)
def demo(
    world: options.World = defaults.WORLD,
    dataset: Annotated[Path, options.Option(help="The folder to write the dataset to.")] = Path(
        defaults.DATASET
    ),
    out: options.Out = Path(defaults.OUT),
    seed: options.TrainingSeed = defaults.SEED,
    seeds: options.Seeds = "",
    precision: options.OfPrecision = "auto",
    threads: options.Threads = defaults.THREADS,
    deterministic: options.Deterministic = False,
) -> None:
    """Generate data with 6 of 32 states held out, train all three models, compare and test.

    Of another world as large a share is held out. With one seed what comes out is exploratory.
    """
    from the_experiment.base.instructions import fix_instructions

    if deterministic:
        fix_instructions()  # before torch is loaded
    from the_experiment.data.folder import DatasetFolder
    from the_experiment.report.html import refuse_other_files
    from the_experiment.report.terminal import stdout

    page = out / "report.html"
    refuse_other_files(page)

    def say(line: str) -> None:
        stdout.print(f"\n{line}", style="bold", markup=False)

    say(
        f"$ the-experiment generate --world {world} --hold-out-fraction {SIX_OF_32} --seed {seed} "
        f"--out {dataset}"
    )
    generate(world, hold_out_fraction=SIX_OF_32, seed=seed, out=dataset)
    how = f"--seeds {seeds}" if seeds else f"--seed {seed}"
    how += f" --precision {precision}" if precision != "auto" else ""
    how += f" --threads {threads}" if threads != defaults.THREADS else ""
    how += " --deterministic" if deterministic else ""
    say(f"$ the-experiment train all --until-fit {how} --dataset {dataset} --out {out}")
    train(
        "all",
        dataset=str(dataset),
        out=out,
        until_fit=True,
        seed=seed,
        seeds=seeds,
        precision=precision,
        threads=threads,
        deterministic=deterministic,
    )
    say(f"$ the-experiment compare --world {world} --html {page} --out {out}")
    compare(world=world, out=out, html=page)
    held_out = DatasetFolder(dataset).manifest.held_out[0]
    say(f"$ the-experiment test '{held_out}' --world {world} --out {out}")
    test(held_out, world=world, out=out)
    say(
        f"The report is in {page}. To try states by hand: "
        f"the-experiment testui --world {world} --out {out}"
    )
