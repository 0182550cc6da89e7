"""Running a course: train with looks along the way, then trace; what is done already is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl, write_text
from the_experiment.base.runs import EXPERIMENTS, Run
from the_experiment.base.seeds import derived_seed
from the_experiment.data.folder import MANIFEST, DatasetFolder
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import Split
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.dynamics.config import Course, Scale
from the_experiment.experiments.dynamics.lessons import written_lesson, written_start
from the_experiment.experiments.dynamics.looks import Examination, Look, examination
from the_experiment.worlds import World, find_world
from the_experiment.worlds.programs.chain import another_constant

if TYPE_CHECKING:
    from the_experiment.inside.tracing_cells import TracingResults
    from the_experiment.training.config import TrainConfig

QUICK = "quick"


@dataclass(frozen=True)
class Learnt:
    """One model: what it was right on, by step, and where it carries its answers."""

    seed: int
    run: Run
    looks: dict[int, Look]
    baselines: dict[str, Look]
    traced: TracingResults | str  # or why nothing could be
    traces: Path  # the folder of their maps
    lessons: tuple[int, ...] = ()  # the steps at which they ended


@dataclass(frozen=True)
class CourseOutcome:
    """A course that was run."""

    course: Course
    scale: Scale
    folder: Path
    models: list[Learnt]


def run_course(course: Course, out: Path, *, quick: bool) -> CourseOutcome:
    """Run what is missing of a course; it goes on where it was killed."""
    scale = course.scale(quick=quick)
    folder = out / EXPERIMENTS / course.name / ("" if not quick else QUICK)
    write_text(folder / "experiment.json", course.model_dump_json(indent=2) + "\n")
    world = find_world(scale.world)
    models = [_learnt(scale, world, seed, folder, out) for seed in scale.seeds]
    return CourseOutcome(course, scale, folder, models)


def _learnt(scale: Scale, world: World, seed: int, folder: Path, out: Path) -> Learnt:
    name = f"seed-{seed}-{_fingerprint(scale, world)}"
    data = _data(scale, world, seed, folder / "data" / name)
    exam = examination(world, Split(data.manifest).held_out, scale.asked, seed)
    runs = _trained(scale, world, seed, data, exam, folder, name)
    traces = folder / "traces" / name
    traced = _traced(scale, exam, seed, runs[-1], traces, out)
    ends = tuple(accumulate(run.record()["steps"] for run in runs[:-1]))
    return Learnt(seed, runs[-1], dict(_looks(runs)), exam.baselines(), traced, traces, ends)


def _trained(
    scale: Scale,
    world: World,
    seed: int,
    data: DatasetFolder,
    exam: Examination,
    folder: Path,
    name: str,
) -> list[Run]:
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
    lessons = folder / "lessons" / name
    base = None
    if scale.lessons or scale.architecture:
        base = written_start(scale, world, seed, lessons / "start")
    for number, lesson in enumerate(scale.lessons, start=1):
        rows = written_lesson(lesson, data, seed, lessons / f"{number}.jsonl")
        how = lesson.model_dump(include={"batch_size", "learning_rate"})
        changes = {"dataset": str(rows), "base": str(base), "epochs": 1, **how}
        taught = Run(folder / "runs" / f"{name}-lesson-{number}")
        runs.append(_watched(config.model_copy(update=changes), taught, scale, exam))
        base = taught.folder
    last = config.model_copy(update={"base": base and str(base)})
    return [*runs, _watched(last, Run(folder / "runs" / name), scale, exam)]


def _watched(config: TrainConfig, run: Run, scale: Scale, exam: Examination) -> Run:
    """Train, or go on, with looks along the way."""
    from the_experiment.training.loop import Watch, train
    from the_experiment.training.progress import training_bar

    with training_bar(run.name) as progress:
        watch = Watch(scale.look_every, exam.look)
        train(config, run, resume=True, progress=progress, watch=watch)
    return run


def _fingerprint(scale: Scale, world: World) -> str:
    """Of all that a model depends on but its seed, wherever the world's file lies."""
    told = scale.model_dump(exclude={"seeds", "traced", "world"})
    texts = [told, world.name, dict(world.rules), world.source, version("the-experiment")]
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:8]


def _data(scale: Scale, world: World, seed: int, place: Path) -> DatasetFolder:
    if not (place / MANIFEST).is_file():
        sizes = Sizes(train=scale.train_rows, valid=0, test=0)
        generate(world, HoldOut(fraction=scale.held_out), sizes, seed, place)
    return DatasetFolder(place)


def _looks(runs: Sequence[Run]) -> Iterator[tuple[int, Look]]:
    """What was found along the way, by step of all runs together."""
    before = 0
    for run in runs:
        for line in read_jsonl(run.metrics):
            found: dict[str, Any] | None = line.get("held_out")
            if found:
                yield before + line["step"], {name: Rate(*k_n) for name, k_n in found.items()}
        before += run.record()["steps"]


def _traced(
    scale: Scale, exam: Examination, seed: int, run: Run, traces: Path, out: Path
) -> TracingResults | str:
    """Held-out programs, so many of each number of hops, beside the same with another constant."""
    from the_experiment.inside.program_pairs import counterfactual_pair
    from the_experiment.inside.tracing_cells import TracingRequest, run_tracing
    from the_experiment.models.kept import KeptModels

    rng = np.random.RandomState(derived_seed(seed, "traced") % 2**32)
    programs = [
        one.prompt
        for hops in exam.hops
        for one in [one for one in exam.asked if one.hops == hops][: scale.traced]
    ]
    pairs = tuple(counterfactual_pair(one, another_constant(one, rng)) for one in programs)
    try:
        request = TracingRequest(str(run.folder), programs=pairs, chat="plain", seed=seed)
        return run_tracing(request, KeptModels(out), traces)
    except ExperimentError as error:  # a model that has learnt too little
        return error.what
