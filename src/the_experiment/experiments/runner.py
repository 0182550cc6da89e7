"""Running an experiment: every missing cell in a process of its own, landed whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from pydantic import BaseModel, ValidationError

from the_experiment.base import defaults
from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, write_json, write_text
from the_experiment.base.processes import cores, in_parallel
from the_experiment.base.runs import Run
from the_experiment.data.draw import seen_states
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.split import Split
from the_experiment.evaluation.baseline import baselines, learned
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.contestants import right_by_part
from the_experiment.evaluation.scores import graded_baseline
from the_experiment.evaluation.trained import Trained
from the_experiment.experiments.cells import Cell
from the_experiment.experiments.declaration import Experiment
from the_experiment.worlds import EXACT, World, find_world

CELLS = "cells"

# By prompt, by measure (EXACT and each part): right or wrong; of a baseline, in which share of its
# tie-breaks it is right.
States = dict[str, dict[str, float]]


class CellFile(BaseModel):
    """What a cell's file has at least; None where a baseline can't be applied."""

    seen: States | None
    held_out: States | None


def run_cells(
    experiment: Experiment,
    cells: Sequence[Cell],
    out: Path,
    jobs: int,
    progress: Callable[[int], None],
) -> dict[Cell, dict[str, Any]]:
    """Every cell with its result, computing only those that are not in `out` yet.

    There are `jobs` processes (0: one for each core) of one torch thread each. A killed run goes
    on where it was; a cell whose file is torn is computed again. `progress` is told how many more
    cells are there.
    """
    place = {cell: out / CELLS / f"{cell.key}.json" for cell in cells}
    write_text(out / "experiment.json", experiment.model_dump_json(indent=2) + "\n")
    asked = {EXACT, *find_world(experiment.world).parts}
    missing = [cell for cell in cells if not _is_there(place[cell], asked)]
    progress(len(cells) - len(missing))
    calls = [(cell, experiment.world, place[cell]) for cell in missing]
    for key in in_parallel(run_cell, calls, jobs or cores()):
        logger.debug("{}: cell {} is there", experiment.name, key)
        progress(1)
    return {cell: read_json(path) for cell, path in place.items()}


def _is_there(place: Path, asked: Set[str]) -> bool:
    """Whether the file of a cell is there, and whole."""
    if not place.is_file():
        return False
    whole = _is_whole(place, asked)
    if not whole:
        logger.warning("{} is not whole, so it is computed again", place)
    return whole


def _is_whole(place: Path, asked: Set[str]) -> bool:
    try:
        file = CellFile.model_validate(read_json(place))
    except (ExperimentError, ValidationError):
        return False
    states = [*(file.seen or {}).values(), *(file.held_out or {}).values()]
    return all(asked <= state.keys() for state in states)


def run_cell(cell: Cell, world_name: str, place: Path) -> str:
    """Compute one cell, write its result to `place`, and return the cell's key."""
    compute = _baseline_result if cell.entry is None else _model_result
    about = {
        "hold_outs": cell.hold_outs,
        "split": cell.split,
        "contestant": cell.contestant,
        "seed": cell.seed,
    }
    write_json(place, about | compute(cell, world_name))
    return cell.key


def _baseline_result(cell: Cell, world_name: str) -> dict[str, Any]:
    world = find_world(world_name)
    held_out = cell.hold_out.resolve(world, cell.seed)
    seen = seen_states(world, held_out, cell.seed, cell.train.train_rows)
    asked = world.states_at(held_out)
    baseline = baselines[cell.contestant]
    states = np.concatenate([seen, asked])
    predictions = learned(baseline, world, seen, states)
    if predictions.keys() < set(world.parts):
        return {"seen": None, "held_out": None}
    graded = graded_baseline(predictions, world.part_values(states), slice(None)).shares
    rows = {
        prompt: {part: float(share[row]) for part, share in graded.items()}
        for row, prompt in enumerate(world.prompts(states))
    }
    return {
        kind: {prompt: rows[prompt] for prompt in world.prompts(some)}
        for kind, some in (("seen", seen), ("held_out", asked))
    }


def _model_result(cell: Cell, world_name: str) -> dict[str, Any]:
    """Generate the data, train, and ask every state; nothing but the result is kept."""
    from the_experiment.training.config import TrainConfig
    from the_experiment.training.loop import train

    assert cell.entry is not None
    recipe = cell.train.model_dump()
    sizes = Sizes(train=recipe.pop("train_rows"), valid=0, test=0)
    with tempfile.TemporaryDirectory(prefix="the-experiment-") as scratch:
        data, run = Path(scratch) / defaults.DATASET, Run(Path(scratch) / "run")
        folder = generate(find_world(world_name), cell.hold_out, sizes, cell.seed, data)
        config = TrainConfig(
            dataset=str(data),
            seed=cell.seed,
            device="cpu",
            precision="fp32",  # the same on a processor that multiplies bf16
            **cell.entry.model_dump(),
            **recipe,
        )
        result = train(config, run)
        trained = Trained(run)
        split = Split(folder.manifest)
        return {
            "steps": result.steps,
            "seconds": result.seconds,
            "parameters": trained.record["parameters"],
            **_asked(trained, split),
        }


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
