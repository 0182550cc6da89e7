"""What an experiment is: one YAML file, read into the frozen model of its kind."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json, read_text, write_text
from the_experiment.base.names import name_from
from the_experiment.base.registry import plugged_in, refused_plug_in
from the_experiment.base.strict import first_problem
from the_experiment.base.strict_yaml import StrictYaml, read_strictly
from the_experiment.experiments.experiment import KINDS, Experiment, WrongKeyError
from the_experiment.experiments.running import DECLARED

GROUP = "the_experiment.experiments"  # of entry points


def write_new_experiment(path: Path, kind: str) -> None:
    """Write an experiment file to start from. A file already there is an `ExperimentError`."""
    if os.path.lexists(path):  # unlike pathlib's exists, says no to a name too long for a file
        raise ExperimentError(f"{path} already exists", "choose another name")
    template = Path(inspect.getfile(KINDS[kind])).with_name("new.yaml")
    if not template.is_file():
        raise ExperimentError(f"the kind {kind} has no template", f"write {template}")
    text = read_text(template)
    write_text(path, text.replace("{name}", name_from(path.stem, "mine")))


def experiment_names() -> list[str]:
    """The experiments that ship with the package or come by entry point."""
    plugged_in = {point.name for point in entry_points(group=GROUP)}
    return [*sorted(_shipped()), *sorted(plugged_in - _shipped().keys())]


def find_experiment(which: str, kind: str = "") -> Experiment:
    """The experiment of this name, in this file, or begun in this folder.

    An entry point of the group `the_experiment.experiments` gives the path of a YAML file. With a
    `kind` it has to be of that one, and its file needn't say so. Raises `ExperimentError` naming
    the key that is wrong.
    """
    path = _shipped().get(which) or _plugged_in(which) or Path(which)
    path = path / DECLARED if _is_file(path / DECLARED) else path
    if not _is_file(path):
        raise UsageError(
            f"there is no experiment called {which!r}",
            f"one of {', '.join(experiment_names())}, or a YAML file "
            "(`the-experiment experiments new FILE`)",
        )
    loaded = _loaded(path)
    model = _kind(loaded, path, kind)
    try:
        experiment = model.model_validate(loaded.value or {})
    except ValidationError as error:
        raise ExperimentError(f"{path}: {_described(error, loaded, model)}") from None
    experiment = experiment.with_files(lambda name: _beside(path, name))
    naming_file(path, experiment.check)
    return experiment


def output_folder(which: str, out: Path) -> Path:
    """The output folder that an experiment was begun in, if `which` is its folder; else `out`."""
    folder = Path(which)
    return folder.resolve().parents[1] if _is_file(folder / DECLARED) else out


def naming_file(path: Path | str, check: Callable[[], None]) -> None:
    """Call a check; a wrong key is told with the file."""
    try:
        check()
    except WrongKeyError as error:
        raise ExperimentError(f"{path}: {error.what}", error.hint) from None


def _kind(loaded: StrictYaml, path: Path, expected: str) -> type[Experiment]:
    named = loaded.value.get("kind", expected) if isinstance(loaded.value, dict) else expected
    if expected and named != expected:
        raise UsageError(
            f"{path} is an experiment of kind {named!r}", f"give one of kind {expected}"
        )
    if not named:
        raise ExperimentError(
            f"{path}: kind: is missing", f"add a line `kind: KIND`, with {', '.join(KINDS.names())}"
        )
    if named not in KINDS.names():
        known = ", ".join(KINDS.names())
        raise ExperimentError(
            f"{path}: {loaded.with_place('kind')}: no kind {named!r}; known are {known}"
        )
    return KINDS[named]


def _described(error: ValidationError, loaded: StrictYaml, model: type[BaseModel]) -> str:
    problem = first_problem(error)
    what = problem.what
    if problem.kind == "extra_forbidden":
        what += f"; known are {', '.join(_known_keys(model, problem.path))}"
    key = ".".join(_in_file(loaded.value, problem.path))
    return f"{loaded.with_place(key)}: {what}" if key else what


def _in_file(value: Any, path: Sequence[int | str]) -> Iterator[str]:
    """The keys of a path without what pydantic adds: which of several models it took."""
    for number, part in enumerate(path):
        is_there = isinstance(value, dict) and part in value
        is_there = is_there or (isinstance(value, list) and isinstance(part, int))
        if is_there or number == len(path) - 1:
            yield str(part)
        value = value[part] if is_there else value


def _known_keys(model: Any, path: Sequence[int | str]) -> list[str]:
    """The keys that can stand where the last one of `path` stands."""
    for part in path[:-1]:
        # A key of a model leads to its type; one of `dict[str, Type]`, to that type; one of several
        # models is named by its `kind`.
        known = getattr(model, "model_fields", None)
        models = [one for one in get_args(model) if "kind" in getattr(one, "model_fields", {})]
        named = [one for one in models if part in get_args(one.model_fields["kind"].annotation)]
        model = known[str(part)].annotation if known else (named or get_args(model))[-1]
    return list(getattr(model, "model_fields", {}))


def _is_file(path: Path) -> bool:
    # os.path.isfile, unlike pathlib's, says no to a name that is too long for a file.
    return os.path.isfile(path)  # noqa: PTH113


def _beside(path: Path, name: str) -> str:
    """A file named relative to the experiment's own folder is found there."""
    beside = path.parent / name
    return str(beside) if _is_file(beside) and not _is_file(Path(name)) else name


def _loaded(path: Path) -> StrictYaml:
    """What the file says. Scalars in YAML are strings: `on` is a key, not true; pydantic converts.

    An experiment that was begun is kept as JSON.
    """
    if path.name == DECLARED:
        return StrictYaml(read_json(path), {})
    return read_strictly(read_text(path), str(path))


def _shipped() -> dict[str, Path]:
    folder = Path(str(files("the_experiment.experiments") / "shipped"))
    return {path.stem: path for path in folder.glob("*.yaml")}


def _plugged_in(name: str) -> Path | None:
    """The file of the experiment that another package brings under this name."""
    for point in entry_points(group=GROUP, name=name):
        with plugged_in("experiment", name):
            loaded = point.load()
        if not isinstance(loaded, str | Path) or not _is_file(Path(loaded)):
            raise refused_plug_in("experiment", name, f"is not a file path: {loaded!r}")
        return Path(loaded)
    return None
