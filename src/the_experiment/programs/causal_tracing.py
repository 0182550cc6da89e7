"""Causal tracing by one call: programs beside their counterfactuals, patched layer by layer.

>>> create_counterfactual_program("x=2\\ny=x\\n#y:", constant=7)["expected_counterfactual"]
7
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from the_experiment.base import defaults
from the_experiment.base.defaults import PatchTarget
from the_experiment.base.errors import UsageError
from the_experiment.experiments.tracing.analysis import TracingResults
from the_experiment.experiments.tracing.cells import run_tracing
from the_experiment.experiments.tracing.config import TracingRequest
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.program_pairs import PromptFormat, find_pairs
from the_experiment.models.pretrained import KeptModels
from the_experiment.worlds.generators import PROGRAMS
from the_experiment.worlds.programs.chain import (
    ProgramPair,
    another_constant,
    chain_of,
    counterfactual_pair,
)
from the_experiment.worlds.programs.interpreter import answer_of

KEYS = (
    "original",
    "counterfactual",
    "expected_original",
    "expected_counterfactual",
    "variable_chain",
)


def run_causal_tracing_experiment(
    model_id: str,
    programs: Sequence[Mapping[str, Any]],
    intervention_layers: Sequence[int] | None = None,
    intervention_type: PatchTarget = "residual_stream",
    out: Path = Path(defaults.OUT),
) -> TracingResults:
    """Patch these programs at every token or head of these layers (all); nothing is written.

    `model_id` is a folder, a trained model by its name in `out`, or a name on the hub.
    Each of `programs` has the keys of `create_counterfactual_program`. Raises `UsageError` for
    programs that aren't as they say, and `ExperimentError` where the model answers none of them
    right both ways.
    """
    layers = None if intervention_layers is None else tuple(intervention_layers)
    request = TracingRequest(
        model_id, intervention_type, programs=checked_pairs(programs), layers=layers
    )
    return run_tracing(request, out, None)


def create_counterfactual_program(
    program: str, constant: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """The program with another constant at the root of its chain, as `programs` want it.

    The constant is one that occurs nowhere in the program, drawn by `seed`, if none is given.
    `variable_chain` begins with the variable asked for. Raises `UsageError` for a program without
    a chain.
    """
    if constant is None:
        constant = another_constant(program, np.random.RandomState(seed))
    pair = counterfactual_pair(program, constant)
    values = (pair.program, pair.counterfactual, pair.answer, pair.other_answer)
    return dict(zip(KEYS, (*values, _chain(program)), strict=True))


def find_rng_seeds(
    model_id: str,
    num_hops: int,
    seq_len: int,
    count: int = 1,
    first_seed: int = 0,
    out: Path = Path(defaults.OUT),
    generator: str = defaults.TRACED_PROGRAMS,
) -> tuple[list[int], int]:
    """The first seeds whose program, and its counterfactual, the model answers right.

    And how many it was asked for them. `generator` is one that takes a number of hops. Raises
    `UsageError` for sizes that there are no programs of, and `ExperimentError` where the model
    answers none right.
    """
    model, tokenizer = KeptModels(out).loaded(model_id, dtype="float32")
    found = find_pairs(
        HookedModel(model),
        PromptFormat(tokenizer),
        seq_len,
        num_hops,
        count,
        first_seed,
        PROGRAMS[generator],
    )
    seeds = [pair.rng_seed for pair in found.pairs if pair.rng_seed is not None]
    return seeds, len(found.verdicts)


def checked_pairs(programs: Sequence[Mapping[str, Any]]) -> tuple[ProgramPair, ...]:
    """These programs as pairs. Raises `UsageError` that says what is wrong with which."""
    if not programs:
        raise UsageError("there are no programs to trace", "give at least one")
    return tuple(_checked(program, number) for number, program in enumerate(programs, start=1))


def _checked(program: Mapping[str, Any], number: int) -> ProgramPair:
    missing = [key for key in KEYS if key not in program]
    if missing:
        raise UsageError(f"program {number} has no {missing[0]!r}", f"it needs {', '.join(KEYS)}")
    for of in ("original", "counterfactual"):
        right, told = answer_of(program[of]), program[f"expected_{of}"]
        if right != told:
            raise UsageError(
                f"the {of} of program {number} gives {right}, not {told!r}",
                f"correct its expected_{of}",
            )
        if list(program["variable_chain"]) != _chain(program[of]):
            raise UsageError(
                f"the chain of program {number}'s {of} is {_chain(program[of])}, "
                f"not {list(program['variable_chain'])}",
                "name its variables from the one asked for to the one with the constant",
            )
    if program["expected_original"] == program["expected_counterfactual"]:
        raise UsageError(
            f"both of program {number} give the same", "change the constant so that they don't"
        )
    return ProgramPair(*(program[key] for key in KEYS[:4]))


def _chain(program: str) -> list[str]:
    return list(reversed(chain_of(program)))
