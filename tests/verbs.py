"""Every verb of the console command, by the words that call it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from the_experiment.cli.app import app


def _verbs(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):  # newer typers' groups are not click's
            yield from _verbs(command, *path, name)


COMMAND: Any = typer.main.get_command(app)
VERBS = dict(_verbs(COMMAND))
