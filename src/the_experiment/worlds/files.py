"""Worlds as YAML files: reading one, and saying exactly what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import write_text
from the_experiment.base.names import NAME, name_from
from the_experiment.worlds.parts import Domain
from the_experiment.worlds.rules import RuleWorld, WorldError

LONGEST_FILE = 100_000  # characters


class WorldFile(BaseModel):
    """The keys of a world file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    inputs: dict[str, str]
    rules: dict[str, str]
    prompt: str
    completion: str


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


def read_world(path: Path) -> RuleWorld:
    """The world in a YAML file. Raises `ExperimentError` naming file, key and column."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_FILE + 1)  # no more, even of /dev/zero
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise ExperimentError(f"world file {path} can't be read: {reason}") from None
    return world_from_text(text, str(path))


def write_new_world(path: Path) -> None:
    """Write a world file to start from. A file already there is an `ExperimentError`."""
    if path.exists():
        raise ExperimentError(f"{path} is there already", "choose another name")
    write_text(path, NEW_WORLD.format(name=name_from(path.stem, otherwise="mine")))


def world_from_text(text: str, where: str) -> RuleWorld:
    """The world that a YAML text tells; `where` names the text in errors."""
    try:
        file = WorldFile.model_validate(_plain(_composed(text)))
        inputs = {name: _domain(name, domain) for name, domain in file.inputs.items()}
        return RuleWorld(file.name, inputs, file.rules, file.prompt, file.completion, source=text)
    except ValidationError as error:
        raise ExperimentError(f"{where}: {_first_problem(error)}") from None
    except ExperimentError as error:
        raise ExperimentError(f"{where}: {error.what}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ExperimentError(f"{where}{place}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        what = " ".join(str(error).split())
        raise ExperimentError(f"{where}: not YAML that can be read ({what})") from None
    except RecursionError:
        raise ExperimentError(f"{where}: lists or keys nested too deeply") from None


class _Loader(yaml.BaseLoader):
    """Leaves every scalar a string (`NO` stays a name, `1` a rule) and refuses aliases.

    A few aliases of aliases would unfold into more keys than there is memory for.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "no aliases (*) here; write it out", mark)
        return super().compose_node(parent, index)


def _composed(text: str) -> yaml.Node | None:
    if len(text) > LONGEST_FILE:
        raise WorldError("file", f"has more than {LONGEST_FILE:,} characters")
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def _plain(node: yaml.Node | None, key: str = "") -> Any:
    """A YAML node as dicts and strings; a key that comes twice is refused, with its place."""
    if isinstance(node, yaml.ScalarNode):
        if not node.value.isprintable() and any("\ud800" <= c <= "\udfff" for c in node.value):
            raise WorldError(key or "file", "half a character: no file can hold it")
        return node.value
    if not isinstance(node, yaml.MappingNode):
        raise WorldError(key or "file", "should be keys with values, such as `name: causal`")
    plain: dict[str, Any] = {}
    for name_node, value_node in node.value:
        name = _plain(name_node, key)
        if not isinstance(name, str):
            raise WorldError(key or "file", "a key should be a name, not keys with values")
        path = f"{key}.{name}" if key else name
        if name in plain:
            mark = name_node.start_mark
            raise WorldError(f"{path}, line {mark.line + 1}, column {mark.column + 1}", "duplicate")
        plain[name] = _plain(value_node, path)
    return plain


def _domain(name: str, text: str) -> Domain:
    key = f"inputs.{name}"
    if text.strip() in ("bool", "boolean"):
        return Domain(0, 1, boolean=True)
    ends = re.fullmatch(r"\s*(-?[0-9]{1,15})\s*\.\.\s*(-?[0-9]{1,15})\s*", text)
    if not ends:
        raise WorldError(key, f"{text!r} is neither bool nor an integer range such as 0..9")
    low, high = int(ends[1]), int(ends[2])
    if low > high:
        raise WorldError(key, f"the range {text} is empty")
    return Domain(low, high)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"]) or "file"
    if problem["type"] == "missing":
        return f"{key}: this key is missing"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; known are {', '.join(WorldFile.model_fields)}"
    if problem["type"] == "dict_type":
        return f"{key}: should be keys with values, such as `A: bool`"
    if key == "name" and problem["type"] != "string_type":
        return "name: letters, digits, . _ and - only, 64 at most"
    return f"{key}: should be text, not a list or keys"
