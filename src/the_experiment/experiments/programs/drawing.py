"""The programs of an experiment: the same for every model, told by the seed alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from loguru import logger

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.seeds import derived_seed
from the_experiment.base.words import counted
from the_experiment.experiments.programs.config import ExperimentConfig
from the_experiment.worlds.generators import Answer
from the_experiment.worlds.programs.prompts import draw_examples

TRIES = 50  # draws for each program wanted, before those there are must do

Group = tuple[int, int | None]  # length, and number of hops if the generator is told of it


@dataclass(frozen=True)
class Program:
    """A program that was drawn, and what it is worth."""

    text: str
    expected: Answer
    metadata: dict[str, Any]


def programs_of(config: ExperimentConfig) -> dict[Group, list[Program]]:
    """The programs by length and hops. Groups that there can't be are left out with a warning.

    Raises `UsageError` where no group is left, and for a generator that gives something else.
    """
    groups: dict[Group, list[Program]] = {}
    refusals = []
    for length in config.seq_lens:
        for hops in config.num_hops or (None,):
            try:
                groups[length, hops] = _drawn(config, length, hops)
            except ExperimentError as refusal:
                logger.warning("left out: {}", refusal.what)
                refusals.append(refusal)
    if not groups:
        raise refusals[0]
    return groups


def _drawn(config: ExperimentConfig, length: int, hops: int | None) -> list[Program]:
    """So many distinct programs of one group, or all that come in many draws."""
    seed = derived_seed(config.seed, "programs", length, *(() if hops is None else (hops,)))
    rng = np.random.RandomState(seed % 2**32)
    told = () if hops is None else (hops,)
    shown = draw_examples(config.program_generator, config.shots, config.seed, length, *told)
    solved = {text for text, _ in shown}
    found: dict[str, Program] = {}
    for _ in range(TRIES * config.num_seqs):
        program = _program(config, config.program_generator(length, rng, *told))
        if program.text not in solved:
            found.setdefault(program.text, program)
        if len(found) == config.num_seqs:
            break
    else:
        logger.warning(
            "{} has only {} of length {}", config.generator, counted(len(found), "program"), length
        )
    return list(found.values())


def _program(config: ExperimentConfig, generated: Any) -> Program:
    """What a generator gave, which may be anybody's."""
    try:
        text, expected, metadata = generated
    except (TypeError, ValueError):
        text, expected, metadata = None, None, {}
    if isinstance(expected, np.bool_ | np.integer):
        expected = expected.item()
    if not isinstance(text, str) or not isinstance(expected, int):
        raise UsageError(
            f"{config.generator} gave {str(generated)[:80]}",
            "a generator gives a program, its value (a whole number or truth value), and a dict",
        )
    return Program(text, expected, json.loads(json.dumps(metadata, default=str)))
