"""A world whose outputs are rules in the rule language."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers
from the_experiment.worlds.errors import WorldError
from the_experiment.worlds.language import RESERVED, RuleError, parse
from the_experiment.worlds.parts import Domain
from the_experiment.worlds.template import Field, Template
from the_experiment.worlds.templated import TemplateWorld
from the_experiment.worlds.tree import (
    Bounds,
    DivisionByZeroError,
    Name,
    Tree,
    bounds,
    divisors_in,
    evaluate,
    names_in,
)
from the_experiment.worlds.words import sentence
from the_experiment.worlds.world import MOST_COMBINATIONS, MOST_STATES

CHUNK = 2**18  # states evaluated at a time when all are checked
MOST_LISTED_PROMPTS = 2**20  # states whose prompts are compared one by one


class RuleWorld(TemplateWorld):
    """A world written as rules. Raises `WorldError` for one that can't be.

    >>> world = RuleWorld(
    ...     "tiny",
    ...     {"A": Domain(0, 1, True), "B": Domain(0, 1, True)},
    ...     {"both": "A AND B", "none": "NOT both AND A == B"},
    ...     "{A},{B}",
    ...     "\\n{both},{none}\\n",
    ... )
    >>> world.answer("1,1"), world.order, world.depth("none")
    ('\\n1,0\\n', ['both', 'none'], 2)
    """

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, Domain],
        rules: Mapping[str, str],
        prompt: str,
        completion: str,
        source: str = "",
    ) -> None:
        self.rules = dict(rules)
        self.source = source
        _check_names(inputs, rules)
        self.trees = {name: _parsed(f"rules.{name}", text) for name, text in rules.items()}
        known = {*inputs, *rules}
        for rule, tree in self.trees.items():
            _check_known(f"rules.{rule}", rules[rule], tree, known)
        self.order = _dependency_order(self.trees, rules)
        _check_template("prompt", prompt, inputs)
        _check_template("completion", completion, known)
        super().__init__(name, inputs, prompt, completion)
        if not self.parts:
            raise WorldError("completion", "writes no part; add a field such as {A}")
        self._check_fields()
        self._check_division()
        self._check_prompts()

    def evaluate(
        self, states: Integers, forced: Mapping[str, int] | None = None
    ) -> dict[str, Integers]:
        """Each rule's value in each state; see `World.evaluate`."""
        forced = forced or {}
        for name in forced:
            if name not in self.rules:
                raise UsageError(f"no rule is called {name!r}", f"one of {', '.join(self.rules)}")
        values = self._input_values(states)
        for rule in self.order:
            if rule in forced:
                values[rule] = np.full(len(states), forced[rule], dtype=np.int64)
                continue
            try:
                values[rule] = evaluate(self.trees[rule], values, len(states))
            except DivisionByZeroError as error:
                raise self._divided_by_zero(
                    f"rules.{rule}", self.rules[rule], error.column, states[error.row]
                ) from None
        return {rule: values[rule] for rule in self.rules}

    @functools.cached_property
    def output_bounds(self) -> dict[str, Bounds]:
        """The smallest and largest value of each rule, from intervals of what it is made of."""
        known = dict(self._input_bounds)
        for rule in self.order:
            try:
                known[rule] = bounds(self.trees[rule], known)
            except OverflowError as error:
                raise WorldError(f"rules.{rule}", str(error)) from None
        return {rule: known[rule] for rule in self.rules}

    # -- what follows from the trees -------------------------------------------------------------

    def uses(self, part: str) -> list[str]:
        """The inputs and rules that the text of a rule or part names, each once."""
        return list(dict.fromkeys(name.name for name in names_in(self._tree_of(part))))

    def depends_on(self, part: str) -> list[str]:
        """The inputs that a rule or part is computed from, directly or through other rules."""
        reached = self._reached(self.uses(part))
        return [name for name in self.inputs if name in reached]

    def _changing(self, part: str) -> tuple[str, ...]:
        named = self.depends_on(part)
        if not named:
            return ()
        domains = [self.inputs[name] for name in named]
        if math.prod(domain.size for domain in domains) > MOST_COMBINATIONS:
            return tuple(named)
        lowest = np.array([[domain.low for domain in self.inputs.values()]])
        states = lowest.repeat(math.prod(domain.size for domain in domains), axis=0)
        places = [list(self.inputs).index(name) for name in named]
        grid = np.indices([domain.size for domain in domains]).reshape(len(named), -1)
        states[:, places] += grid.T
        values = self.part_values(states)[part].reshape([domain.size for domain in domains])
        return tuple(
            name for axis, name in enumerate(named) if (np.diff(values, axis=axis) != 0).any()
        )

    def ancestors(self, part: str) -> list[str]:
        """The inputs and rules that a rule or part is computed from, directly or through others."""
        reached = self._reached(self.uses(part))
        return [name for name in (*self.inputs, *self.rules) if name in reached]

    def _reached(self, names: Iterable[str]) -> set[str]:
        reached: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += [n.name for n in names_in(self.trees.get(name, Name(name)))]
        return reached

    def depth(self, part: str) -> int:
        """How many rules stand in a row from the inputs to this rule or part: `A AND B` is 1."""
        depths = dict.fromkeys(self.inputs, 0)
        for rule in self.order:
            depths[rule] = _depth_above(self.trees[rule], depths)
        written = self._written(part)
        return depths[written.name] if isinstance(written, Name) else _depth_above(written, depths)

    def _tree_of(self, part: str) -> Tree:
        written = self._written(part)
        return self.trees.get(written.name, written) if isinstance(written, Name) else written

    def _written(self, part: str) -> Tree:
        """What the completion writes for this part; else the rule or input."""
        fields = {field.name: field.tree for field in self.completion_template.fields}
        return fields.get(part, Name(part))

    def _rule_in_words(self, name: str) -> str:
        return sentence(name, self.trees[name], self.rules[name])

    # -- checks ----------------------------------------------------------------------------------

    def _check_fields(self) -> None:
        """Refuse values that do not fit, and parts that can't be told apart in a completion."""
        for key, template, field in self._fields():
            try:
                bounds(field.tree, self._all_bounds)
            except OverflowError as error:
                raise WorldError(key, str(error), template.text, field.column) from None
        unclear = self.completion_template.running_on(self._all_bounds)
        if unclear:
            raise WorldError(
                "completion",
                f"the end of {unclear.name} is ambiguous; put no digit or field right after it",
                self.completion_template.text,
                unclear.column,
            )

    def _check_division(self) -> None:
        """Evaluate everything if a divisor might be zero: in all states, if they can be listed."""
        trees = [*self.trees.values(), *(field.tree for *_, field in self._fields())]
        reaches = (
            bounds(divisor, self._all_bounds) for tree in trees for divisor in divisors_in(tree)
        )
        if not any(low <= 0 <= high for low, high in reaches):
            return
        if self.size > MOST_STATES:
            raise WorldError(
                "inputs", f"{self.size:,} states are too many (over 2^24) to check each division"
            )
        for start in range(0, self.size, CHUNK):
            states = self.states_at(np.arange(start, min(start + CHUNK, self.size)))
            values = {**self._input_values(states), **self.evaluate(states)}
            for key, template, field in self._fields():
                try:
                    evaluate(field.tree, values, len(states))
                except DivisionByZeroError as error:
                    column = field.column + error.column
                    raise self._divided_by_zero(
                        key, template.text, column, states[error.row]
                    ) from None

    def _divided_by_zero(self, key: str, text: str, column: int, state: Integers) -> WorldError:
        where = ", ".join(f"{name}={value}" for name, value in zip(self.inputs, state, strict=True))
        return WorldError(key, f"division by zero where {where}", text, column)

    def _check_prompts(self) -> None:
        if not self._directly_readable and self.size > MOST_LISTED_PROMPTS:
            raise WorldError(
                "prompt", "write every input by itself, with something other than a digit between"
            )
        shared = self.shared_prompt()
        if shared:
            prompt, *numbers = shared
            one, other = (
                ", ".join(f"{name}={value}" for name, value in zip(self.inputs, row, strict=True))
                for row in self.states_at(np.array(numbers))
            )
            raise WorldError("prompt", f"two states have the prompt {prompt!r}: {one} and {other}")

    def _fields(self) -> Iterator[tuple[str, Template, Field]]:
        """Each field of both templates, with its template and the key of that."""
        for key in ("prompt", "completion"):
            template: Template = getattr(self, f"{key}_template")
            for field in template.fields:
                yield key, template, field


def _depth_above(tree: Tree, depths: Mapping[str, int]) -> int:
    return 1 + max((depths[name.name] for name in names_in(tree)), default=0)


def _check_names(inputs: Mapping[str, Domain], rules: Mapping[str, str]) -> None:
    if not inputs:
        raise WorldError("inputs", "a world needs at least one input")
    for key, names in (("inputs", inputs), ("rules", rules)):
        for name in names:
            if not (name.isascii() and name.isidentifier()):
                what = "a name has letters, digits and _ only, and begins with a letter or _"
                raise WorldError(f"{key}.{name}", what)
            if name.lower() in RESERVED:
                raise WorldError(f"{key}.{name}", f"{name} is a word of the rule language")
    for name in rules:
        if name in inputs:
            raise WorldError(f"rules.{name}", "duplicate: an input has that name already")


def _parsed(key: str, text: str) -> Tree:
    try:
        return parse(text)
    except RuleError as error:
        raise WorldError(key, error.what, text, error.column) from None


def _check_known(key: str, text: str, tree: Tree, known: Iterable[str], offset: int = 0) -> None:
    for name in names_in(tree):
        if name.name not in known:
            raise WorldError(
                key,
                f"unknown name {name.name!r}; known are {', '.join(sorted(known))}",
                text,
                name.column + offset,
            )


def _check_template(key: str, text: str, known: Iterable[str]) -> None:
    try:
        template = Template(text)
    except RuleError as error:
        # No expression has a brace in it, so a fault at one is that it stands alone.
        closing = ", or close it with '}'" if text[error.column - 1 : error.column] == "{" else ""
        raise WorldError(key, error.what + closing, error.text, error.column) from None
    for field in template.fields:
        _check_known(key, text, field.tree, known, offset=field.column)


def _dependency_order(trees: Mapping[str, Tree], texts: Mapping[str, str]) -> list[str]:
    """The rules, each after those it uses. Raises `WorldError` that tells a circle as a circle."""
    used = {
        rule: [name.name for name in names_in(tree) if name.name in trees]
        for rule, tree in trees.items()
    }
    try:
        return list(TopologicalSorter(used).static_order())
    except CycleError as error:
        circle = error.args[1][::-1]  # graphlib tells it from used to user
        rule, uses = circle[:2]
        column = next(name.column for name in names_in(trees[rule]) if name.name == uses)
        raise WorldError(
            f"rules.{rule}", f"a circle: {' → '.join(circle)}", texts[rule], column
        ) from None
