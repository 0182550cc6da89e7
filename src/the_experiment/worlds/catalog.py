"""Finding a world: by the name of one that ships or is plugged in, or by file."""

from __future__ import annotations

import functools
import hashlib
import os
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.registry import plugged_in, refused_plug_in
from the_experiment.worlds.files import read_world
from the_experiment.worlds.world import World

GROUP = "the_experiment.worlds"
MOST_TOLD_APART = 10_000  # states of a world in Python; of more, this many evenly among them


def world_names() -> list[str]:
    """The names of all worlds that ship with the package or come by entry point."""
    plugged_in = [point.name for point in entry_points(group=GROUP)]
    return [*sorted(_shipped()), *sorted(set(plugged_in) - set(_shipped()))]


def find_world(name_or_file: str) -> World:
    """The world with this name, or in this YAML file.

    An entry point of the group `the_experiment.worlds` gives a `World`, a class without arguments
    that makes one, or the path of a YAML file. Raises `UsageError` for an unknown name.

    >>> find_world("causal").answer("0,1,1,1,0")
    '\\n1,0,0,0\\n3 - 1\\n'
    """
    if name_or_file in _shipped():
        return _shipped_world(name_or_file)
    for point in entry_points(group=GROUP):
        if point.name == name_or_file:
            return _plugged_in(point)
    # os.path.isfile, unlike pathlib's, says no to a name that is too long for a file.
    if name_or_file.endswith((".yaml", ".yml")) or os.path.isfile(name_or_file):  # noqa: PTH113
        return read_world(Path(name_or_file))
    raise UsageError(
        f"there is no world called {name_or_file!r}",
        f"one of {', '.join(world_names())}, or a YAML file (`the-experiment worlds new FILE`)",
    )


def _plugged_in(point: EntryPoint) -> World:
    with plugged_in("world", point.name):
        loaded = point.load()
        if isinstance(loaded, str | Path):
            loaded = read_world(Path(loaded))
        world = loaded() if isinstance(loaded, type) else loaded
    if not isinstance(world, World):
        raise refused_plug_in("world", point.name, f"is not a World: {world!r}")
    if world.name != point.name:  # a dataset remembers its world by name
        raise refused_plug_in("world", point.name, f"is called {world.name!r}")
    return world


@functools.cache
def _shipped_world(name: str) -> World:
    return read_world(_shipped()[name])


@functools.cache
def _shipped() -> dict[str, Path]:
    folder = Path(str(files("the_experiment.worlds") / "shipped"))
    return {path.stem: path for path in folder.glob("*.yaml")}


def identity_of(world: World) -> str:
    """The text of a world's file; of one written in Python, a hash of its name and answers."""
    if world.source:
        return world.source
    states = world.states_at(world.numbers()[:: 1 + world.size // MOST_TOLD_APART])
    texts = [world.name, *world.prompts(states), *world.completions(states)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def unchanged_world(name: str, identity: str) -> World:
    """The world of this name. Raises `ExperimentError` where it is another by now."""
    world = find_world(name)
    if identity_of(world) != identity:
        raise ExperimentError(f"{name} has changed since the experiment began", "run it again")
    return world
