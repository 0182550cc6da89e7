"""`the-experiment worlds`: the worlds there are, one of them in full, and new ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs(
    help="List, show, check and start worlds of rules.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment worlds show causal", "the-experiment worlds new mine.yaml"
    ),
)


@app.command(
    "list",
    epilog=options.examples("the-experiment worlds list", "the-experiment worlds list --json"),
)
def list_worlds(as_json: options.AsJson = False) -> None:
    """List the worlds that ship with the package or are plugged in."""
    from the_experiment.report.terminal import print_json, stdout
    from the_experiment.report.worlds import world_facts, worlds_table
    from the_experiment.worlds import find_world, world_names

    worlds = [find_world(name) for name in world_names()]
    if as_json:
        print_json([world_facts(world) for world in worlds])
    else:
        stdout.print(worlds_table(worlds))


@app.command(
    epilog=options.examples(
        "the-experiment worlds show causal", "the-experiment worlds show mine.yaml --json"
    )
)
def show(
    world: Annotated[str, typer.Argument(metavar="NAME|FILE")], as_json: options.AsJson = False
) -> None:
    """Show a world: its rules, what each part depends on, and an example."""
    from the_experiment.report.terminal import print_json, stdout
    from the_experiment.report.worlds import world_facts, world_sheet
    from the_experiment.worlds import find_world

    found = find_world(world)
    if as_json:
        print_json(world_facts(found))
    else:
        stdout.print(world_sheet(found))


@app.command(
    epilog=options.examples(
        "the-experiment worlds check mine.yaml",
        "the-experiment worlds check examples/three-bits.yaml",
    )
)
def check(files: Annotated[list[Path], typer.Argument(metavar="FILE…")]) -> None:
    """Check world files: names, circles, divisions, prompts that two states share."""
    from the_experiment.base.words import counted
    from the_experiment.report.terminal import stdout
    from the_experiment.worlds.files import read_world

    for file in files:
        world = read_world(file)
        _ = world.output_bounds  # draws all texts, where they are drawn
        stdout.print(
            f"{file}: {world.name} is sound: {counted(world.size, 'state')}, "
            f"{counted(len(world.parts), 'part')}",
            markup=False,
        )


@app.command(
    epilog=options.examples(
        "the-experiment worlds new mine.yaml", "the-experiment generate --world mine.yaml"
    )
)
def new(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Start a world file of your own; a file already there is left alone."""
    from the_experiment.report.terminal import stdout
    from the_experiment.worlds.files import write_new_world

    write_new_world(file)
    stdout.print(
        f"wrote {file}; edit it, then run `the-experiment worlds check {file}`", markup=False
    )


@app.command(
    "import",
    epilog=options.examples(
        "the-experiment worlds import cellcycle.bnet",
        "the-experiment worlds import tcr.cnet --only x40 --as tcr-40",
    ),
)
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Name of the world, and of its file NAME.yaml."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="COMPONENT", help="Take one component and its regulators."),
    ] = None,
) -> None:
    """Make a world of a Boolean network, or of a truth table in CSV.

    Networks: .bnet, .aeon, .sbml (with the extra `networks`), .cnet, and the Cell Collective's
    tables as .txt.
    """
    from the_experiment.base.words import counted
    from the_experiment.report.terminal import stdout
    from the_experiment.worlds.networks.importing import import_world

    imported = import_world(file, name, only)
    for old, new in imported.renamed.items():
        stdout.print(f"{old} is called {new} there", markup=False)
    world = imported.world
    stdout.print(
        f"wrote {imported.path}: {counted(len(world.inputs), 'input')}, "
        f"{counted(world.size, 'state')}, {counted(len(world.parts), 'rule')}; "
        f"see `the-experiment worlds show {imported.path}`",
        markup=False,
    )


@app.command(
    epilog=options.examples(
        "the-experiment worlds export causal causal.csv",
        "the-experiment worlds export mine.yaml mine.bnet",
    )
)
def export(
    world: Annotated[str, typer.Argument(metavar="NAME|FILE")],
    to: Annotated[Path, typer.Argument(metavar="TO")],
) -> None:
    """Write a boolean world as a network (TO.bnet) or as a truth table (TO.csv)."""
    from the_experiment.report.terminal import stdout
    from the_experiment.worlds import find_world
    from the_experiment.worlds.networks.writing import export_world

    export_world(find_world(world), to)
    stdout.print(f"wrote {to}", markup=False)
