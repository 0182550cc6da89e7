"""Finding a world: by the name of one that ships or is plugged in, or by file."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from the_experiment.base.errors import UsageError
from the_experiment.worlds.files import read_world
from the_experiment.worlds.world import World

GROUP = "the_experiment.worlds"


def world_names() -> list[str]:
    """The names of all worlds that ship with the package or come by entry point."""
    plugged_in = [point.name for point in entry_points(group=GROUP)]
    return [*sorted(_shipped()), *sorted(set(plugged_in) - set(_shipped()))]


@functools.cache
def find_world(name_or_file: str) -> World:
    """The world with this name, or in this YAML file.

    An entry point of the group `the_experiment.worlds` gives a `World`, a class without arguments
    that makes one, or the path of a YAML file. Raises `UsageError` for an unknown name.

    >>> find_world("causal").answer("0,1,1,1,0")
    '\\n1,0,0,0\\n3 - 1\\n'
    """
    if name_or_file in _shipped():
        return read_world(_shipped()[name_or_file])
    for point in entry_points(group=GROUP):
        if point.name == name_or_file:
            return _from_entry_point(point.load())
    if name_or_file.endswith((".yaml", ".yml")) or Path(name_or_file).is_file():
        return read_world(Path(name_or_file))
    raise UsageError(
        f"there is no world called {name_or_file!r}",
        f"one of {', '.join(world_names())}, or a YAML file (`the-experiment worlds new FILE`)",
    )


def _from_entry_point(loaded: object) -> World:
    if isinstance(loaded, str | Path):
        return read_world(Path(loaded))
    world = loaded() if isinstance(loaded, type) else loaded
    if not isinstance(world, World):
        raise UsageError(f"an entry point of {GROUP} gives {world!r}, which is no World")
    return world


@functools.cache
def _shipped() -> dict[str, Path]:
    folder = Path(str(files("the_experiment.worlds") / "shipped"))
    return {path.stem: path for path in folder.glob("*.yaml")}
