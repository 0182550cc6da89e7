"""A world as a Python class: its rule is a loop, which the rule language has no word for.

Beside it stands an experiment on this world.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.worlds import Domain, TemplateWorld
from the_experiment.worlds.tree import Bounds

EXPERIMENT = Path(__file__).with_name("collatz.yaml")


class Collatz(TemplateWorld):
    """How many steps of "halve it if even, else three times and one more" lead from N to 1.

    >>> Collatz().answer("6")
    ' takes 8 steps, 0\\n'
    """

    def __init__(self) -> None:
        super().__init__(
            "collatz",
            {"N": Domain(1, 60)},
            prompt="{N}",
            completion=" takes {steps} steps, {steps % 2}\n",
        )

    @property
    def output_bounds(self) -> dict[str, Bounds]:
        return {"steps": (0, 200)}

    def evaluate(
        self, states: Integers, forced: Mapping[str, int] | None = None
    ) -> dict[str, Integers]:
        steps = [_steps(number) for number in states[:, 0].tolist()]
        if forced and "steps" in forced:
            steps = [forced["steps"]] * len(states)
        return {"steps": np.array(steps, dtype=np.int64)}


def _steps(number: int) -> int:
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps
