"""Worlds as YAML files: reading one, and saying exactly what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_text, write_text
from the_experiment.base.names import NAME, name_from
from the_experiment.base.strict import Strict, first_problem
from the_experiment.base.strict_yaml import StrictYaml, read_strictly
from the_experiment.worlds.errors import WorldError
from the_experiment.worlds.generated import FIELD, GeneratedWorld, ProgramWorld
from the_experiment.worlds.generators import PROGRAMS, QUESTIONS
from the_experiment.worlds.parts import Domain
from the_experiment.worlds.rules import RuleWorld
from the_experiment.worlds.world import World

Keys = TypeVar("Keys", bound=BaseModel)


class WorldFile(Strict):
    """The keys of a world file."""

    name: str = Field(pattern=NAME)
    inputs: dict[str, str]
    rules: dict[str, str]
    prompt: str
    completion: str


class GeneratedFile(Strict):
    """The keys of a file whose texts a generator draws."""

    name: str = Field(pattern=NAME)
    programs: str = ""  # the generator, of programs …
    questions: str = ""  # … or of questions
    length: str
    hops: str = ""
    count: Annotated[int, Field(ge=1)]  # different texts of each length and number of hops
    completion: str = FIELD


NEW_WORLD = """\
# A world of rules. Try it:  the-experiment worlds check FILE
name: {name}
inputs: {{A: bool, B: bool, X: 0..9}}      # bool, or an integer range
rules:                                   # a rule may use inputs and other rules, in any order
  both: A AND B
  next: (X + 1 + both) % 10 if A else X
prompt: "{{A}},{{B}},{{X}}"
completion: "\\n{{both}},{{next}}\\n"
"""


def read_world(path: Path) -> World:
    """The world in a YAML file. Raises `ExperimentError` naming file, key and place."""
    return world_from_text(read_text(path), str(path))


def write_new_world(path: Path) -> None:
    """Write a world file to start from. A file already there is an `ExperimentError`."""
    if path.exists():
        raise ExperimentError(f"{path} already exists", "choose another name")
    write_text(path, NEW_WORLD.format(name=name_from(path.stem, otherwise="mine")))


def world_from_text(text: str, where: str) -> World:
    """The world that a YAML text tells; `where` names the text in errors."""
    read = read_strictly(text, where)
    try:
        return _world(read.value, text)
    except WorldError as error:
        raise ExperimentError(f"{where}: {_with_place(error, read)}") from None


def _world(value: Any, source: str) -> World:
    if isinstance(value, dict) and {"programs", "questions"} & value.keys():
        return _generated(_checked(GeneratedFile, value), source)
    file = _checked(WorldFile, value)
    inputs = {name: _domain(f"inputs.{name}", text) for name, text in file.inputs.items()}
    return RuleWorld(file.name, inputs, file.rules, file.prompt, file.completion, source=source)


def _generated(file: GeneratedFile, source: str) -> GeneratedWorld:
    if bool(file.programs) == bool(file.questions):
        raise WorldError("questions", "give the name of one generator, of programs or of questions")
    kind = ProgramWorld if file.programs else GeneratedWorld
    generator = PROGRAMS[file.programs] if file.programs else QUESTIONS[file.questions]
    hops = _domain("hops", file.hops) if file.hops else None
    length = _domain("length", file.length)
    return kind(file.name, generator, length, file.count, hops, file.completion, source)


def _checked(kind: type[Keys], value: Any) -> Keys:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _described(error, kind) from None


def _with_place(error: WorldError, read: StrictYaml) -> str:
    """What is wrong and where: by its column in a rule's text, else by its key's place."""
    return error.what if error.column else f"{read.with_place(error.key)}: {error.problem}"


def _domain(key: str, text: str) -> Domain:
    if text.strip() in ("bool", "boolean"):
        return Domain(0, 1, boolean=True)
    ends = re.fullmatch(r"\s*(-?[0-9]{1,15})\s*\.\.\s*(-?[0-9]{1,15})\s*", text)
    if not ends:
        raise WorldError(key, f"{text!r} is neither bool nor an integer range such as 0..9 or 3..3")
    low, high = int(ends[1]), int(ends[2])
    if low > high:
        raise WorldError(key, f"the range {text} is empty")
    return Domain(low, high)


def _described(error: ValidationError, kind: type[BaseModel]) -> WorldError:
    problem = first_problem(error)
    key = problem.key or "file"
    return WorldError(key, _in_words(key, problem.kind, kind))


def _in_words(key: str, problem: str, kind: type[BaseModel]) -> str:
    """What pydantic's `problem` with this key is, in our words."""
    if problem == "missing":
        return "this key is missing"
    if problem == "extra_forbidden":
        return f"unknown key; known are {', '.join(kind.model_fields)}"
    if problem == "model_type":
        return "should be keys with values, such as `name: causal`"
    if problem == "dict_type":
        return "should be keys with values, such as `A: bool`"
    if key == "name" and problem != "string_type":
        return "letters, digits, . _ and - only, 64 at most"
    return "should be text, not a list or keys"
