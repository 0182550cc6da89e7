"""What can be wrong with a world: which entry, where in it, and what."""

from __future__ import annotations

from the_experiment.base.errors import ExperimentError


class WorldError(ExperimentError):
    """A world that can't be: `key` says which entry, `problem` what is wrong with it.

    `column` is where in the entry's text (from 1), or 0 where it is the entry as a whole.
    """

    def __init__(self, key: str, what: str, text: str = "", column: int = 0) -> None:
        self.key = key
        self.problem = what
        self.column = column
        place = f"{key}, column {column}" if column else key
        pointed = f"\n  {_one_line(text)}\n  {' ' * _shown_column(text, column)}^" if column else ""
        super().__init__(f"{place}: {what}{pointed}")


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", " ")


def _shown_column(text: str, column: int) -> int:
    return len(_one_line(text[: column - 1]))
