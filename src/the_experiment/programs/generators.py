"""Every generator of programs by its name, those of plug-ins too: `generators.make_range_program`.

Each is called as `generator(seq_len, rng)`, some with a third argument `num_hops`, and gives a
program, its right answer and a dict about it.
"""

from __future__ import annotations

from the_experiment.base.errors import ExperimentError
from the_experiment.worlds.generators import PROGRAMS, Generator


def __getattr__(name: str) -> Generator:
    try:
        return PROGRAMS[name]
    except ExperimentError as error:
        raise AttributeError(str(error)) from None


def __dir__() -> list[str]:
    return PROGRAMS.names()
