"""Names of worlds, experiments and runs: what may be one, and how a file's name becomes one."""

from __future__ import annotations

import re

from the_experiment.base.errors import UsageError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # safe in a path, a shell and a YAML file


def name_from(stem: str, otherwise: str) -> str:
    """A name that is like a file's stem, or `otherwise` where no letter or digit is in it.

    >>> name_from("my world", "mine"), name_from("...", "mine")
    ('my-world', 'mine')
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "-", stem).strip("-._")[:64] or otherwise


def refuse_no_name(what: str, name: str) -> None:
    """Raise `UsageError` for what can't be the name of `what`, and of its folder."""
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{what} can't be called {name!r}", "letters, digits, . _ and - only, 64 at most"
        )
