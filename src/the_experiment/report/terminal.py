"""The two streams: data to stdout, progress to stderr. Wide tables are broken into blocks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from the_experiment.base.logs import stderr

GAP = 2  # characters between columns, if nothing else is said


class Blocks:
    """A table whose first column is repeated in each block, so that no cell is ever cut."""

    def __init__(self, header: Sequence[str | Text], gap: int = GAP) -> None:
        self._rows: list[Sequence[str | Text]] = [header]
        self._styles = ["bold"]
        self._gap = gap

    def add_row(self, cells: Sequence[str | Text], *, style: str) -> None:
        """One more row, with as many cells as the header has."""
        self._rows.append(cells)
        self._styles.append(style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | str]:
        cells = zip(*self._rows, strict=True)
        widths = [max(cell_len(str(cell)) for cell in column) + self._gap for column in cells]
        for number, columns in enumerate(_fitting(widths, options.max_width + self._gap)):
            if number:
                yield ""
            yield self._block([0, *columns])

    def _block(self, columns: Sequence[int]) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, self._gap, 0, 0))
        for _ in columns:
            table.add_column(no_wrap=True)
        for cells, style in zip(self._rows, self._styles, strict=True):
            table.add_row(*(cells[column] for column in columns), style=style)
        return table


def _fitting(widths: Sequence[int], most: int) -> Iterator[list[int]]:
    """The columns after the first in groups that fit into `most` characters beside it.

    A column that is too wide even alone gets a block of its own.
    """
    group: list[int] = []
    for column in range(1, len(widths)):
        if group and widths[0] + sum(widths[one] for one in [*group, column]) > most:
            yield group
            group = []
        group.append(column)
    yield group


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
