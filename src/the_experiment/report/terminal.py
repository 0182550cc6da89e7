"""The two streams: data to stdout, progress to stderr; no bar where stderr is no terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from the_experiment.base.logs import stderr

PIPED_WIDTH = 200  # characters; nobody looks at a pipe, so tables need not be folded

# A text such as `:x:` in a prompt is no emoji.
stdout = Console(soft_wrap=True, highlight=False, emoji=False)
if not stdout.is_terminal:
    stdout = Console(soft_wrap=True, highlight=False, emoji=False, width=PIPED_WIDTH)


def print_json(value: Any) -> None:
    """Print JSON to stdout, never wrapped or coloured."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar; yields a function to be told how much more is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)
