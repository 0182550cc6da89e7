"""`the-experiment testui`: the playground in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from the_experiment.base import defaults
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs()


EXAMPLES = options.examples("the-experiment testui", "the-experiment ui --world relay --port 7861")


@app.command("ui", rich_help_panel=options.PLAYGROUND, help="Short for testui.", epilog=EXAMPLES)
@app.command(rich_help_panel=options.PLAYGROUND, epilog=EXAMPLES)
def testui(
    port: Annotated[
        int, options.Option(min=1, max=65535, help="The local port to serve the page on.")
    ] = defaults.PORT,
    world: Annotated[
        str,
        options.Option(
            "--world",
            "-w",
            help="A world by name, or a YAML file.",
            metavar="WORLD",
            show_default="that of the first model",
        ),
    ] = "",
    out: options.Out = Path(defaults.OUT),
) -> None:
    """Toggle the inputs in a browser and watch the rules and each model answer."""
    from the_experiment.ui.playground import serve

    serve(world or None, out, port)
