"""What an experiment is: one YAML file, read into a frozen model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ValidationError,
)

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_text, write_text
from the_experiment.base.names import name_from
from the_experiment.base.problems import first_problem
from the_experiment.base.strict_yaml import StrictYaml, read_strictly
from the_experiment.experiments.checks import check_against_world, check_course
from the_experiment.experiments.dynamics.config import Course
from the_experiment.experiments.splits.config import Experiment

GROUP = "the_experiment.experiments"  # of entry points


NEW_EXPERIMENT = """\
# An experiment of your own. Run it:  the-experiment experiments run FILE --quick
name: {name}
question: Does GPT-2 apply the rules to states it never saw better than an LSTM of its size?
world: causal                       # a world by name, or a YAML file
hold_outs:                          # each is one way to hide states; splits are by state
  a quarter: {{fraction: 0.25}}
  where A and C: {{where: A AND C}}
models:
  gpt2: {{model: gpt2}}
  rnn: {{model: rnn}}
seeds: [1, 2, 3, 4, 5, 6, 7, 8]     # by two measures, fewer than seven pairs can show nothing
measures:
  rules: [newA, newB, newC, newD]   # right where all of these parts are; `exact` is always there
claim:
  says: GPT-2 generalises where an LSTM does not.
  source: my own guess
  published: none
  counts_for: GPT-2 is right in more new cases, by more than chance over the splits
  counts_against: it is not, or guessing or a baseline that knows only patterns does as well
  better: gpt2
  than: rnn
  on: [a quarter]
"""


def write_new_experiment(path: Path) -> None:
    """Write an experiment file to start from. A file already there is an `ExperimentError`."""
    if os.path.lexists(path):  # unlike pathlib's exists, says no to a name too long for a file
        raise ExperimentError(f"{path} already exists", "choose another name")
    write_text(path, NEW_EXPERIMENT.format(name=name_from(path.stem, "mine")))


def experiment_names() -> list[str]:
    """The experiments that ship with the package or come by entry point."""
    plugged_in = {point.name for point in entry_points(group=GROUP)}
    return [*sorted(_shipped()), *sorted(plugged_in - _shipped().keys())]


def find_experiment(name_or_file: str) -> Experiment | Course:
    """The experiment of this name, or in this file. Raises `ExperimentError` naming the key.

    An entry point of the group `the_experiment.experiments` gives the path of a YAML file.
    A file that says how large it is in `full` is a `Course`.
    """
    path = _shipped().get(name_or_file) or _plugged_in(name_or_file) or Path(name_or_file)
    if not _is_file(path):
        raise UsageError(
            f"there is no experiment called {name_or_file!r}",
            f"one of {', '.join(experiment_names())}, or a YAML file "
            "(`the-experiment experiments new FILE`)",
        )
    loaded = _loaded(path)
    is_course = isinstance(loaded.value, dict) and "full" in loaded.value
    kind: type[Experiment] | type[Course] = Course if is_course else Experiment
    try:
        found = kind.model_validate(loaded.value)
    except ValidationError as error:
        raise ExperimentError(f"{path}: {_described(error, loaded, kind)}") from None
    if isinstance(found, Course):
        found = found.with_worlds(lambda world: _beside(path, world))
        check_course(found, str(path))
        return found
    experiment = found.model_copy(update={"world": _beside(path, found.world)})
    check_against_world(experiment, str(path))
    return experiment


def _described(error: ValidationError, loaded: StrictYaml, kind: type[BaseModel]) -> str:
    problem = first_problem(error)
    what = problem.what
    if problem.kind == "extra_forbidden":
        what += f"; known are {', '.join(_known_keys(kind, problem.path))}"
    return f"{loaded.with_place(problem.key)}: {what}" if problem.key else what


def _known_keys(kind: Any, path: Sequence[int | str]) -> list[str]:
    """The keys that can stand where the last one of `path` stands."""
    for part in path[:-1]:
        # A key of a model leads to its type; one of `dict[str, Type]`, to that type.
        known = getattr(kind, "model_fields", None)
        kind = known[str(part)].annotation if known else get_args(kind)[-1]
    return list(getattr(kind, "model_fields", {}))


def _is_file(path: Path) -> bool:
    # os.path.isfile, unlike pathlib's, says no to a name that is too long for a file.
    return os.path.isfile(path)  # noqa: PTH113


def _beside(path: Path, world: str) -> str:
    """A world file named relative to the experiment's own folder is found there."""
    beside = path.parent / world
    return str(beside) if _is_file(beside) and not _is_file(Path(world)) else world


def _loaded(path: Path) -> StrictYaml:
    """What the file says. Its scalars are strings: `on` is a key, not true; pydantic converts."""
    return read_strictly(read_text(path), str(path))


def _shipped() -> dict[str, Path]:
    folder = Path(str(files("the_experiment.experiments") / "shipped"))
    return {path.stem: path for path in folder.glob("*.yaml")}


def _plugged_in(name: str) -> Path | None:
    """The file of the experiment that another package brings under this name."""
    for point in entry_points(group=GROUP, name=name):
        try:
            loaded = point.load()
        except Exception as error:  # other people's code: anything can come out of it
            raise _refused(name, f"fails: {error!r}") from error
        if not isinstance(loaded, str | Path) or not _is_file(Path(loaded)):
            raise _refused(name, f"is no path of a file: {loaded!r}")
        return Path(loaded)
    return None


def _refused(name: str, what: str) -> ExperimentError:
    mend = "mend or uninstall the package that it comes with"
    return ExperimentError(f"the plugged-in experiment {name!r} {what}", mend)
