"""How the house grows: one new file with one decorator, or one entry point of another package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from the_experiment.base.errors import ExperimentError, UsageError

Thing = TypeVar("Thing")


@contextmanager
def plugged_in(kind: str, name: str) -> Iterator[None]:
    """Around what another package brings by entry point: its errors name the plug-in."""
    try:
        yield
    except Exception as error:  # other people's code: anything can come out of it
        raise refused_plug_in(kind, name, f"fails: {error!r}") from error


def refused_plug_in(kind: str, name: str, what: str) -> ExperimentError:
    """The error that another package's thing is broken, or none of this kind."""
    return ExperimentError(
        f"the plugged-in {kind} {name!r} {what}", "fix or uninstall the package that it comes with"
    )


class Registry(Generic[Thing]):
    """Named things of one kind: those registered in `package`, then those of entry points.

    Modules of `package` are imported when a name is first asked for, not before. Entry points are
    read from the group of the same name as the package, such as `the_experiment.worlds`.
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind = kind
        self._package = package
        self._group = group
        self._things: dict[str, Thing] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[Thing], Thing]:
        """Decorator: make the thing below it known under `name`."""

        def add(thing: Thing) -> Thing:
            if name in self._things:
                raise ValueError(f"two {self.kind}s are called {name!r}")
            self._things[name] = thing
            return thing

        return add

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._things)

    def __getitem__(self, name: str) -> Thing:
        self._load()
        if name not in self._things:
            raise UsageError(
                f"there is no {self.kind} called {name!r}", f"one of {', '.join(self.names())}"
            )
        return self._things[name]

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for point in entry_points(group=self._group):
            with plugged_in(self.kind, point.name):
                self._things.setdefault(point.name, point.load())
