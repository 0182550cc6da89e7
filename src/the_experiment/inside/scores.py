"""How much of what a model uses for a part falls on what the rules compute it from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from the_experiment.evaluation.statistics import share_interval
from the_experiment.worlds import World

Numbers = npt.NDArray[np.float64]

MUCH = 0.1  # of a part's mass, on one name that the rules don't give it


@dataclass(frozen=True)
class FaithfulnessScore:
    """A share of mass with its 95% interval over `n` texts."""

    share: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict[str, float | int]:
        """The score as plain values."""
        return {key: round(value, 6) for key, value in vars(self).items()}


def field_names(world: World) -> tuple[str, ...]:
    """The inputs and outputs that stand in a text, in this order.

    Those of a world of programs don't: its inputs number them.
    """
    if world.changeable != list(world.inputs):
        return ()
    written = (part for part in world.parts if part in world.output_bounds)
    return (*world.inputs, *written)


def gradable(world: World) -> tuple[str, ...]:
    """The parts with something before them that they depend on, and something that they don't.

    >>> from the_experiment.worlds import find_world
    >>> gradable(find_world("causal"))
    ('newA', 'newB', 'newC', 'newD', 'sum')
    """
    found = []
    for number, part in enumerate(world.parts):
        before = {*world.inputs, *world.parts[:number]} & set(field_names(world))
        named = before & set(world.ancestors(part))
        if named and named != before:
            found.append(part)
    return tuple(found)


def faithfulness_score(
    world: World, part: str, names: Sequence[str], mass: Numbers, seed: int
) -> FaithfulnessScore | None:
    """The share of `mass` (texts, names) that is on the part's causal ancestors.

    Texts without any count for nothing; None where no text has any.
    """
    mass = mass[mass.any(1)]
    if not len(mass):
        return None
    whole, named = mass.sum(1), mass[:, _places(names, world.ancestors(part))].sum(1)
    share = on_ancestors(world, part, names, mass)
    return FaithfulnessScore(share, *share_interval(named, whole, seed), len(whole))


def on_ancestors(world: World, part: str, names: Sequence[str], mass: Numbers) -> float:
    """The same share alone; 0 where there is no mass."""
    named = float(mass[:, _places(names, world.ancestors(part))].sum())
    return named / float(mass.sum()) if mass.any() else 0.0


def elsewhere(world: World, part: str, names: Sequence[str], mass: Numbers) -> Mapping[str, float]:
    """The names that are no ancestors of a part and have much of its `mass` (texts, names)."""
    shares = mass.sum(0) / max(float(mass.sum()), 1e-12)
    others = set(names) - set(world.ancestors(part))
    found = {name: float(shares[names.index(name)]) for name in names if name in others}
    return {name: share for name, share in found.items() if share >= MUCH}


def _places(names: Sequence[str], chosen: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(names) if name in chosen]
