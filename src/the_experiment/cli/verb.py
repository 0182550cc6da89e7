"""What every verb has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from the_experiment.base.errors import UsageError


class Verb(TyperCommand):
    """Refuses an option that is given twice, of which all but the last would be dropped."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words after the verb. Raises `UsageError`."""
        _, _, given = self.make_parser(ctx).parse_args(args=[*args])
        for one, times in Counter(given).items():
            if times > 1 and isinstance(one, TyperOption) and not (one.multiple or one.is_flag):
                raise UsageError(f"{', '.join(one.opts)} is given {times} times", "give it once")
        return super().parse_args(ctx, args)


class Verbs(typer.Typer):
    """An app of such verbs."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a function as a verb."""
        return super().command(name, cls=Verb, **settings)
