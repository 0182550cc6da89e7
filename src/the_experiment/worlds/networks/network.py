"""Boolean functions by name, as they were read from a file, and the world that they make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from the_experiment.base.errors import UsageError
from the_experiment.worlds.language import RESERVED
from the_experiment.worlds.networks.formulas import text_of
from the_experiment.worlds.tree import Apply, Name, Tree, names_in

NEXT = "new"  # what a component's name begins with where its next value is meant …
AGAIN = "next_"  # … after this, as often as is needed to be told from components
MOST_COMPONENTS = 62  # of a world: its states are numbered in 64 bits
NO_SYNTAX = RESERVED | {"true", "false"}


@dataclass(frozen=True)
class Functions:
    """Boolean functions of boolean inputs."""

    inputs: Sequence[str]
    outputs: Mapping[str, Tree]

    def world_text(self, name: str, about: str) -> str:
        """A world file; `about` is its first comment.

        >>> both = Apply("AND", (Name("A"), Name("B")))
        >>> print(Functions(["A", "B"], {"out": both}).world_text("tiny", "An example."), end="")
        # An example.
        name: tiny
        inputs: {A: bool, B: bool}
        rules:
          out: A AND B
        prompt: "{A}{B}"
        completion: "\\n{out}\\n"
        """
        inputs = ", ".join(f"{one}: bool" for one in self.inputs)
        prompt = "".join(f"{{{one}}}" for one in self.inputs)
        completion = "".join(f"{{{one}}}" for one in self.outputs)
        lines = [f"# {line}" for line in about.splitlines()]
        lines += [f"name: {name}", f"inputs: {{{inputs}}}", "rules:"]
        lines += [f"  {one}: {text_of(tree)}" for one, tree in self.outputs.items()]
        lines += [f'prompt: "{prompt}"', f'completion: "\\n{completion}\\n"']
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Network:
    """What each component becomes in the next step, from the components in this one.

    All become it at once (synchronously).
    """

    rules: Mapping[str, Tree]

    def functions(self) -> Functions:
        """All rules; a component's next value is called `newX`, or `next_newX` if that is one."""
        return Functions([*self.rules], {self._next(one): tree for one, tree in self.rules.items()})

    def only(self, component: str) -> Functions:
        """The rule of one component, and those that it reads."""
        if component not in self.rules:
            raise UsageError(
                f"no component is called {component!r}", f"one of {', '.join(self.rules)}"
            )
        tree = self.rules[component]
        read = {name.name for name in names_in(tree)}
        inputs = [one for one in self.rules if one in read] or [component]  # a constant reads none
        return Functions(inputs, {self._next(component): tree})

    def with_plain_names(self) -> tuple[Network, dict[str, str]]:
        """The network with names that a rule can use, and what was renamed to what."""
        plain = plain_names(self.rules)
        rules = {plain[name]: renamed(tree, plain) for name, tree in self.rules.items()}
        return Network(rules), changed(plain)

    def _next(self, component: str) -> str:
        prefix = NEXT
        while any(prefix + one in self.rules for one in self.rules):
            prefix = AGAIN + prefix
        return prefix + component


def changed(plain: Mapping[str, str]) -> dict[str, str]:
    """Those that have another name."""
    return {name: new for name, new in plain.items() if name != new}


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """A name that a rule can use for each of these, no two alike.

    >>> plain_names(["Cdc2/Cdc13", "Cdc2_Cdc13", "14-3-3", "not"])
    {'Cdc2/Cdc13': 'Cdc2_Cdc13', 'Cdc2_Cdc13': 'Cdc2_Cdc13_2', '14-3-3': '_14_3_3', 'not': 'not_'}
    """
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
        plain = f"_{plain}" if not plain or plain[0].isdecimal() else plain
        plain = f"{plain}_" if plain.lower() in NO_SYNTAX else plain
        number, own = 2, plain
        while own in found.values():
            own, number = f"{plain}_{number}", number + 1
        found[name] = own
    return found


def renamed(tree: Tree, names: Mapping[str, str]) -> Tree:
    """The same tree with these names in place of its own."""
    if isinstance(tree, Name):
        return Name(names[tree.name])
    if isinstance(tree, Apply):
        return Apply(tree.operator, tuple(renamed(one, names) for one in tree.operands))
    return tree
