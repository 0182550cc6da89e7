"""The cells of an experiment on training dynamics: for each seed a training, and its traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from loguru import logger

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl
from the_experiment.base.runs import Run
from the_experiment.base.seeds import derived_seed
from the_experiment.data.folder import MANIFEST, DatasetFolder
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import Split
from the_experiment.engine.cell import Cell
from the_experiment.experiments.dynamics.config import Scale
from the_experiment.experiments.dynamics.evaluation_set import ALL, EvaluationSet, evaluation_set
from the_experiment.experiments.dynamics.lessons import write_lesson, write_start
from the_experiment.worlds import World, find_world, identity_of, unchanged_world
from the_experiment.worlds.programs.chain import another_constant

if TYPE_CHECKING:
    from the_experiment.training.config import TrainConfig
    from the_experiment.worlds.programs.chain import ProgramPair

DATA, RUN = "data", "run"  # in the folder of a training


def cells_of(scale: Scale, seed: int) -> dict[str, Cell]:
    """The training of a seed, and the traces of what came out of it."""
    arguments = {
        "scale": scale.model_dump(mode="json", exclude={"world", "seeds", "traced"}),
        "world": identity_of(find_world(scale.world)),
        "seed": seed,
    }
    training = Cell(
        f"train seed {seed}",
        "the_experiment.experiments.dynamics.cells:trained",
        arguments,
        where={"world_name": scale.world},
        keeps_files=True,
    )
    traces = Cell(
        f"trace seed {seed}",
        "the_experiment.experiments.dynamics.cells:traced",
        {**arguments, "programs": scale.traced},
        needs={"training": training},
        where={"world_name": scale.world},
    )
    return {"training": training, "traces": traces}


def trained(
    scale: Mapping[str, Any], world: str, seed: int, world_name: str, folder: Path
) -> dict[str, Any]:
    """Train, or go on, with evaluations along the way: how many were right at each.

    Steps are those of all lessons and of the last training together.
    """
    large, found = _scale(scale, world_name), unchanged_world(world_name, world)
    data = _data(large, found, seed, folder / DATA)
    exam = _examination(large, found, data, seed)
    runs = _trained(large, found, seed, data, exam, folder)
    steps = [run.record()["steps"] for run in runs]
    begins = [0, *accumulate(steps[:-1])]
    return {
        "looks": {
            str(begin + line["step"]): line["held_out"]
            for begin, run in zip(begins, runs, strict=True)
            for line in read_jsonl(run.metrics)
            if line.get("held_out")
        },
        "baselines": {
            name: {of: [rate.k, rate.n] for of, rate in rates.items()}
            for name, rates in exam.baselines().items()
        },
        "lessons": begins[1:],
    }


def traced(
    scale: Mapping[str, Any],
    world: str,
    seed: int,
    programs: int,
    world_name: str,
    training: Mapping[str, Any],
) -> dict[str, Any]:
    """Where it carries the answer to held-out programs: figures by number of hops, or why none."""
    from the_experiment.inside.hooked_model import HookedModel
    from the_experiment.inside.program_pairs import PromptFormat, with_common_prefix
    from the_experiment.inside.tracing import trace
    from the_experiment.models.pretrained import load_pretrained

    large, found = _scale(scale, world_name), unchanged_world(world_name, world)
    folder = Path(training["folder"])
    exam = _examination(large, found, DatasetFolder(folder / DATA), seed)
    model, tokenizer = load_pretrained(str(folder / RUN), dtype="float32")
    hooked, asking = HookedModel(model), PromptFormat(tokenizer, chat="plain")
    by_hops: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for hops, pairs in _pairs(exam, programs, seed).items():
        try:
            found_there = trace(
                hooked, with_common_prefix(hooked, asking, pairs), pairs, hops, seed=seed
            )
            by_hops[hops] = found_there.as_json()
        except ExperimentError as error:  # a model that has learnt too little
            failed[hops] = error.what
    return {"by_hops": by_hops, "failed": failed}


def _pairs(exam: EvaluationSet, each: int, seed: int) -> dict[str, list[ProgramPair]]:
    """So many programs of each number of hops, beside the same with another constant."""
    from the_experiment.experiments.dynamics.evaluation_set import of
    from the_experiment.worlds.programs.chain import counterfactual_pair

    rng = np.random.RandomState(derived_seed(seed, "traced") % 2**32)
    pairs: dict[str, list[ProgramPair]] = {}
    for hops in exam.hops:
        asked = [one.prompt for one in exam.asked if one.hops == hops][:each]
        pairs[of(hops)] = [counterfactual_pair(one, another_constant(one, rng)) for one in asked]
    return pairs


def _scale(scale: Mapping[str, Any], world_name: str) -> Scale:
    """As it was declared, but for the seeds and what is traced."""
    return Scale.model_validate({**scale, "world": world_name, "seeds": [0], "traced": 1})


def _examination(scale: Scale, world: World, data: DatasetFolder, seed: int) -> EvaluationSet:
    return evaluation_set(world, Split(data.manifest).held_out, scale.asked, seed)


def _data(scale: Scale, world: World, seed: int, place: Path) -> DatasetFolder:
    if not (place / MANIFEST).is_file():
        sizes = Sizes(train=scale.train_rows, valid=0, test=0)
        generate(world, HoldOut(fraction=scale.held_out), sizes, seed, place)
    return DatasetFolder(place)


def _trained(
    scale: Scale, world: World, seed: int, data: DatasetFolder, exam: EvaluationSet, folder: Path
) -> Sequence[Run]:
    """A run for each lesson, and at last the one that is asked as in the experiment."""
    from the_experiment.training.config import TrainConfig

    config = TrainConfig(
        dataset=str(data.path),
        seed=seed,
        loss="completion",
        checkpoint_every=scale.look_every,
        **scale.model_dump(
            include={"layers", "width", "heads", "epochs", "batch_size", "learning_rate"}
        ),
    )
    runs: list[Run] = []
    base = None
    if scale.lessons or scale.architecture:
        base = write_start(scale, world, seed, folder / "start")
    for number, lesson in enumerate(scale.lessons, start=1):
        rows = write_lesson(lesson, data, seed, folder / f"lesson-{number}.jsonl")
        how = lesson.model_dump(include={"batch_size", "learning_rate"})
        changes = {"dataset": str(rows), "base": str(base), "epochs": 1, **how}
        taught = Run(folder / f"lesson-{number}")
        runs.append(_watched(config.model_copy(update=changes), taught, scale, exam))
        base = taught.folder
    last = config.model_copy(update={"base": base and str(base)})
    return [*runs, _watched(last, Run(folder / RUN), scale, exam)]


def _watched(config: TrainConfig, run: Run, scale: Scale, exam: EvaluationSet) -> Run:
    """Train, or go on, with evaluations along the way."""
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from the_experiment.training.loop import Watch, train

    def look(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        rates = exam.evaluate(model, tokenizer)
        logger.info("seed {}, {}: {} right", config.seed, run.name, rates[ALL])
        return {"held_out": {name: [rate.k, rate.n] for name, rate in rates.items()}}

    train(config, run, resume=True, watch=Watch(scale.look_every, look))
    return run
