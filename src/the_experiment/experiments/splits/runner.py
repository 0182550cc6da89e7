"""Running an experiment: a cell for each contestant on each split with each seed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from the_experiment.base import defaults
from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import write_text
from the_experiment.base.runs import Run
from the_experiment.data.draw import seen_states
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import Split
from the_experiment.engine.executor import LocalExecutor
from the_experiment.engine.store import Store
from the_experiment.evaluation.baseline import baselines, learned
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.contestants import right_by_part
from the_experiment.evaluation.scores import graded_baseline
from the_experiment.evaluation.trained import Trained
from the_experiment.experiments.splits.cells import Fit, identity_of
from the_experiment.experiments.splits.config import Experiment
from the_experiment.worlds import World, find_world

CELLS = "cells"

# By prompt, by measure (EXACT and each part): right or wrong; of a baseline, in which share of its
# tie-breaks it is right.
States = dict[str, dict[str, float]]


def run_fits(
    experiment: Experiment,
    fits: Sequence[Fit],
    out: Path,
    jobs: int,
    progress: Callable[[int], None],
) -> dict[Fit, dict[str, Any]]:
    """Every fit with its result, computing only those that are not in `out` yet.

    There are `jobs` processes (0: one for each core) of one torch thread each. A killed run goes
    on where it was. `progress` is told how many more are there. Raises `ExperimentError` for those
    that fail, once the others are there.
    """
    write_text(out / "experiment.json", experiment.model_dump_json(indent=2) + "\n")
    store, cells = Store(out / CELLS), {fit: fit.cell for fit in fits}
    LocalExecutor(jobs).run(list(cells.values()), store, progress)
    return {fit: store.read(cell) for fit, cell in cells.items()}


def baseline_result(
    baseline: str, rows: int, world: str, hold_out: Mapping[str, Any], seed: int, world_name: str
) -> dict[str, States | None]:
    """What a baseline has right, of seen and of held-out states; None where it can't be applied."""
    found, split = _world(world_name, world), HoldOut.model_validate(hold_out)
    held_out = split.resolve(found, seed)
    seen = seen_states(found, held_out, seed, rows)
    asked = found.states_at(held_out)
    states = np.concatenate([seen, asked])
    predictions = learned(baselines[baseline], found, seen, states)
    if predictions.keys() < set(found.parts):
        return {"seen": None, "held_out": None}
    graded = graded_baseline(predictions, found.part_values(states), slice(None)).shares
    shares = {
        prompt: {part: float(share[row]) for part, share in graded.items()}
        for row, prompt in enumerate(found.prompts(states))
    }
    return {
        kind: {prompt: shares[prompt] for prompt in found.prompts(some)}
        for kind, some in (("seen", seen), ("held_out", asked))
    }


def model_result(
    model: Mapping[str, Any],
    train: Mapping[str, Any],
    world: str,
    hold_out: Mapping[str, Any],
    seed: int,
    world_name: str,
) -> dict[str, Any]:
    """Generate the data, train, and ask every state; nothing but the result is kept."""
    from the_experiment.training import loop
    from the_experiment.training.config import TrainConfig

    recipe = dict(train)
    sizes = Sizes(train=recipe.pop("train_rows"), valid=0, test=0)
    with tempfile.TemporaryDirectory(prefix="the-experiment-") as scratch:
        data, run = Path(scratch) / defaults.DATASET, Run(Path(scratch) / "run")
        split = HoldOut.model_validate(hold_out)
        folder = generate(_world(world_name, world), split, sizes, seed, data)
        config = TrainConfig(
            dataset=str(data),
            seed=seed,
            device="cpu",
            precision="fp32",  # the same on CPUs with native bf16
            **model,
            **recipe,
        )
        result = loop.train(config, run)
        trained = Trained(run)
        return {
            "steps": result.steps,
            "seconds": result.seconds,
            "parameters": trained.record["parameters"],
            **_asked(trained, Split(folder.manifest)),
        }


def _world(name: str, identity: str) -> World:
    """The world of this name. Raises `ExperimentError` where it is another by now."""
    world = find_world(name)
    if identity_of(world) != identity:
        raise ExperimentError(f"{name} has changed since the experiment began", "run it again")
    return world


def _asked(trained: Trained, split: Split) -> dict[str, Any]:
    """What the model writes for every state, and what of it is right."""
    seen, held_out = (
        trained.complete(split.world.prompts(states)) for states in (split.seen, split.held_out)
    )
    return {
        "seen": _right(split.world, seen),
        "held_out": _right(split.world, held_out),
        "texts": {one.prompt: one.text for one in (*seen, *held_out)},
    }


def _right(world: World, completions: Sequence[Completion]) -> States:
    right = right_by_part(world, completions)
    return {
        one.prompt: {part: float(of[row]) for part, of in right.items()}
        for row, one in enumerate(completions)
    }
