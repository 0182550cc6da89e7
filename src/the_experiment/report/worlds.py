"""A world shown to people, and as plain facts for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from the_experiment.worlds import World
from the_experiment.worlds.analysis import fourier_degree


def world_facts(world: World) -> dict[str, Any]:
    """What can be said of a world, ready for JSON."""
    prompt = world.example_prompt
    return {
        "name": world.name,
        "inputs": {name: str(domain) for name, domain in world.inputs.items()},
        "rules": dict(world.rules),
        "parts": {
            part: {
                "depends_on": world.depends_on(part),
                "depth": world.depth(part),
                "fourier_degree": fourier_degree(world, part),
            }
            for part in world.parts
        },
        "states": world.size,
        "alphabet": world.alphabet,
        "example": {"prompt": prompt, "completion": world.answer(prompt)},
    }


def worlds_table(worlds: Sequence[World]) -> Table:
    """One line for each world."""
    table = Table("world", "inputs", "rules", "states", "deepest", "example", box=None)
    for world in worlds:
        prompt = world.example_prompt
        table.add_row(
            world.name,
            str(len(world.inputs)),
            str(len(world.rules)),
            f"{world.size:,}",
            str(max(world.depth(part) for part in world.parts)),
            escape(repr(prompt + world.answer(prompt))),
        )
    return table


def world_sheet(world: World) -> Group:
    """A world in full."""
    facts = world_facts(world)
    inputs = ", ".join(f"{name}: {domain}" for name, domain in facts["inputs"].items())
    rules = Table("rule", "", box=None)
    for name, text in facts["rules"].items():
        rules.add_row(name, escape(text))
    parts = Table("part", "depends on", "depth", "Fourier degree", box=None)
    for name, part in facts["parts"].items():
        degree = part["fourier_degree"]
        parts.add_row(
            name,
            ", ".join(part["depends_on"]),
            str(part["depth"]),
            "–" if degree is None else str(degree),
        )
    example = escape(repr(facts["example"]["prompt"] + facts["example"]["completion"]))
    return Group(
        f"[bold]{world.name}[/]: {world.size:,} states",
        f"inputs  {inputs}",
        "",
        rules,
        "",
        parts,
        "",
        f"example  {example}",
    )
