"""What can be wrong with an experiment that only its world or the models there are can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from the_experiment.base.errors import ExperimentError
from the_experiment.evaluation.baseline import baselines
from the_experiment.worlds import World, find_world
from the_experiment.worlds.generated import ProgramWorld

if TYPE_CHECKING:
    from the_experiment.experiments.dynamics.config import Course
    from the_experiment.experiments.splits.config import Experiment, HoldOuts


def check_against_world(experiment: Experiment, file: str) -> None:
    """Raise `ExperimentError` where the world is none, or lacks a part or state that is asked for.

    `file` is what the error calls the experiment.
    """
    world = _world(experiment.world, file)
    for name in baselines.names():
        if name in experiment.models:
            raise ExperimentError(f"{file}: models.{name}: a baseline is called so")
    for name, parts in experiment.measures.items():
        for part in parts:
            if part not in world.parts:
                what = f"{part!r} is none of {', '.join(world.parts)}"
                raise ExperimentError(f"{file}: measures.{name}: {what}")
    for name, way in experiment.hold_outs.items():
        _check_hold_outs(way, world, f"{file}: hold_outs.{name}")


def check_course(course: Course, file: str) -> None:
    """Raise `ExperimentError` where a world is none of programs with hops."""
    for name, scale in (("full", course.full), ("quick", course.quick)):
        world = _world(scale.world, f"{file}: {name}")
        if not isinstance(world, ProgramWorld) or "hops" not in world.inputs:
            raise ExperimentError(
                f"{file}: {name}: world {world.name} has no programs with a number of hops",
                "name one with `programs: make_variable_binding_program`",
            )


def check_models(experiment: Experiment, file: str) -> None:
    """Raise `ExperimentError` for a model that there is not. Imports torch."""
    from the_experiment.models.architectures import ARCHITECTURES

    known = ARCHITECTURES.names()
    for name, entry in experiment.models.items():
        if entry.model not in known:
            what = f"{entry.model!r} is none of {', '.join(known)}"
            raise ExperimentError(f"{file}: models.{name}.model: {what}")


def _world(name: str, file: str) -> World:
    try:
        world = find_world(name)
        world.numbers()  # refuses a world of too many states to hold each of them in or out
    except ExperimentError as error:
        raise ExperimentError(f"{file}: world: {error.what}", error.mend) from None
    return world


def _check_hold_outs(way: HoldOuts, world: World, key: str) -> None:
    """One split tells for all: a condition has one, and a share the same number of states."""
    _, hold_out = next(way.splits(world, seed=0, sample=1))
    try:
        hold_out.resolve(world, seed=0)
    except ExperimentError as error:
        raise ExperimentError(f"{key}: {error.what}", error.mend) from None
