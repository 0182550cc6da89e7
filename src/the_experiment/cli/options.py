"""Options that several verbs share, each said once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

# Every option can be set in the environment too (`auto_envvar_prefix` in app.py); saying so beside
# each would bury the help.
Option = functools.partial(typer.Option, show_envvar=False)

World: TypeAlias = Annotated[
    str, Option("--world", "-w", help="A world by name, or a YAML file.", metavar="WORLD")
]
Out: TypeAlias = Annotated[Path, Option("--out", help="Where the trained models are.")]
Seed: TypeAlias = Annotated[int, Option("--seed", min=0, help="Makes everything repeatable.")]
AsJson: TypeAlias = Annotated[bool, Option("--json", help="Print JSON.")]


def examples(*lines: str) -> str:
    """The examples under a verb's help."""
    return "[bold]Examples[/]\n\n" + "\n\n".join(f"$ {line}" for line in lines)
