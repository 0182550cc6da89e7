"""YAML as people write it for us, read strictly: what is wrong is told with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import LONGEST_TEXT

DEEPEST_TEXT = 20  # lists or keys inside each other


@dataclass(frozen=True)
class StrictYaml:
    """What a text says: dicts, lists and strings (None: nothing), and where each key stands.

    `places` has, by path (`rules.newA`, `seeds.0`), the place of each key and item of a list.
    """

    value: Any
    places: dict[str, str]

    def with_place(self, path: str) -> str:
        """The path and where it stands: `rules.newA, line 4, column 3`."""
        return f"{path}, {self.places[path]}" if path in self.places else path


def read_strictly(text: str, where: str) -> StrictYaml:
    """What a YAML text says; `where` names the text in errors.

    Every scalar is a string. Raises `ExperimentError` for what is no YAML, for a key that comes
    twice, for aliases, and for what is too long or nested too deeply.
    """
    if len(text) > LONGEST_TEXT:
        raise ExperimentError(f"{where}: file: has more than {LONGEST_TEXT:,} characters")
    try:
        unfolding = _Unfolding()
        value = unfolding.value(yaml.compose(text, Loader=_Loader), "")
    except _RefusedYamlError as error:
        raise ExperimentError(f"{where}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", {_place(mark)}" if mark else ""
        raise ExperimentError(f"{where}{place}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # "\UFFFFFFFF" is beyond Unicode
        what = " ".join(str(error).split())
        raise ExperimentError(f"{where}: invalid YAML ({what})") from None
    return StrictYaml(value, unfolding.places)


class _Loader(yaml.BaseLoader):
    """Leaves every scalar a string (`NO` stays a name, `1` a rule) and refuses aliases.

    A few aliases of aliases would unfold into more keys than there is memory for.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._refuse("no aliases (*) here; write it out")
        self.depth += 1
        if self.depth > DEEPEST_TEXT:
            self._refuse("lists or keys nested too deeply")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _refuse(self, what: str) -> NoReturn:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        raise yaml.composer.ComposerError(None, None, what, mark)


class _RefusedYamlError(Exception):
    def __init__(self, path: str, node: yaml.Node, what: str) -> None:
        super().__init__(f"{path or 'file'}, {_place(node.start_mark)}: {what}")


@dataclass(frozen=True)
class _Unfolding:
    """Makes dicts, lists and strings of YAML nodes, and notes where each key stands."""

    places: dict[str, str] = field(default_factory=dict)

    def value(self, node: yaml.Node | None, path: str) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._keys(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(item, _under(path, str(i))) for i, item in enumerate(node.value)]
        return _string(node, path) if node else None

    def _keys(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                raise _RefusedYamlError(
                    path, name_node, "a key should be a name, not a list or keys"
                )
            name = _string(name_node, path)
            key = _under(path, name)
            if name in values:
                raise _RefusedYamlError(key, name_node, "duplicate")
            self.places[key] = _place(name_node.start_mark)
            values[name] = self.value(value_node, key)
        return values

    def _item(self, node: yaml.Node, path: str) -> Any:
        self.places[path] = _place(node.start_mark)
        return self.value(node, path)


def _string(node: yaml.Node, path: str) -> str:
    text = str(node.value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _RefusedYamlError(path, node, "half a surrogate pair: it can't be encoded")
    return text


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
