"""What a world is: inputs, rules, and how a state and its answer are written."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.seeds import Integers, Stream
from the_experiment.worlds.errors import WorldError
from the_experiment.worlds.parts import EXACT, Domain, Grade, PartGrade
from the_experiment.worlds.template import Span, Template
from the_experiment.worlds.tree import Bounds, Name, bounds
from the_experiment.worlds.tree import evaluate as evaluate_tree
from the_experiment.worlds.words import sentence

MOST_STATES = 2**24  # what is enumerated at most; 16.8 million states
MOST_NUMBERED = 2**62  # what can be numbered in 64 bits
WIDEST = 2**32  # values of one input; what a `Stream` draws from at most


class World(ABC):
    """A small world of rules. States are rows of an int64 array, one column for each input.

    A subclass says what its outputs are (`evaluate`); everything else follows from that and the
    two templates. Worlds written as YAML files are `RuleWorld`s.
    """

    rules: Mapping[str, str] = {}  # the text of each rule, for people to read
    source: str = ""  # the YAML text, empty for a world written in Python

    def __init__(
        self, name: str, inputs: Mapping[str, Domain], prompt: str, completion: str
    ) -> None:
        self.name = name
        self.inputs = dict(inputs)
        self.prompt_template = Template(prompt)
        self.completion_template = Template(completion)
        for input_name, domain in self.inputs.items():
            if domain.size > WIDEST:
                raise WorldError(f"inputs.{input_name}", "more than 2^32 values")
        if self.size > MOST_NUMBERED:
            raise WorldError("inputs", "more than 2^62 states")
        if EXACT in self.parts:
            raise WorldError("completion", f"no part can be called {EXACT}: that is all of them")

    # -- what a subclass says ------------------------------------------------------------------

    @abstractmethod
    def evaluate(
        self, states: Integers, forced: Mapping[str, int] | None = None
    ) -> dict[str, Integers]:
        """Each output in each state: {name: array of length n} for `states` of shape (n, inputs).

        An output named in `forced` has that value instead, and so has what is computed from it.
        """

    @property
    @abstractmethod
    def output_bounds(self) -> dict[str, Bounds]:
        """The smallest and largest value of each output."""

    # -- states --------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The number of states."""
        return math.prod(domain.size for domain in self.inputs.values())

    def states(self) -> Integers:
        """All states, the last input changing fastest: shape (size, inputs); see `numbers`."""
        return self.states_at(self.numbers())

    def numbers(self) -> Integers:
        """The numbers of all states. Raises `ExperimentError` above 2^24 of them."""
        if self.size > MOST_STATES:
            raise ExperimentError(
                f"world {self.name}, inputs: {self.size:,} states, more than 2^24, "
                "can't be enumerated",
                "use smaller inputs, or hold out single sequences with -o",
            )
        return np.arange(self.size)

    def states_at(self, indices: Integers) -> Integers:
        """The states with these numbers (from 0, as `states` orders them): shape (n, inputs)."""
        columns = []
        for domain in reversed(self.inputs.values()):
            columns.append(indices % domain.size + domain.low)
            indices = indices // domain.size
        return np.stack(columns[::-1], axis=1)

    def indices(self, states: Integers) -> Integers:
        """The number of each state; the inverse of `states_at`."""
        numbers = np.zeros(len(states), dtype=np.int64)
        for column, domain in zip(states.T, self.inputs.values(), strict=True):
            numbers = numbers * domain.size + (column - domain.low)
        return numbers

    def sample(self, count: int, stream: Stream) -> Integers:
        """`count` states drawn uniformly, with replacement: shape (count, inputs)."""
        columns = [stream.below(domain.size, count) + domain.low for domain in self.inputs.values()]
        return np.stack(columns, axis=1)

    # -- texts ---------------------------------------------------------------------------------

    @property
    def parts(self) -> list[str]:
        """The names of the parts of a completion, in the order in which they are written."""
        return [field.name for field in self.completion_template.fields]

    def prompts(self, states: Integers) -> list[str]:
        """The prompt of each state."""
        return self.prompt_template.render(self._input_values(states), len(states))

    def completions(self, states: Integers, forced: Mapping[str, int] | None = None) -> list[str]:
        """The right completion of each state, or the one that follows from `forced` outputs."""
        values = {**self._input_values(states), **self.evaluate(states, forced)}
        return self.completion_template.render(values, len(states))

    def part_values(self, states: Integers) -> dict[str, Integers]:
        """The right value of each part in each state."""
        return self.parts_from(states, self.evaluate(states))

    def parts_from(self, states: Integers, outputs: Mapping[str, Integers]) -> dict[str, Integers]:
        """The value of each part where the outputs are these, right or wrong."""
        values = {**self._input_values(states), **outputs}
        # Wrong outputs may divide by zero; that is no error, so no state is asked for.
        nowhere = np.zeros(len(states), dtype=np.bool_)
        return {
            field.name: evaluate_tree(field.tree, values, len(states), nowhere)
            for field in self.completion_template.fields
        }

    def state(self, prompt: str) -> Integers:
        """The state that a prompt tells: shape (1, inputs).

        Raises `UsageError`, with an example, for a text that is no prompt of this world.
        """
        spans = self.prompt_spans(prompt)
        values = [span.value for span in spans.values() if span]
        if len(values) == len(spans) and self._directly_readable:
            by_name = dict(zip(spans, values, strict=True))
            row = [by_name[name] for name in self.inputs]
            for value, (name, domain) in zip(row, self.inputs.items(), strict=True):
                if not domain.low <= value <= domain.high:
                    raise self._no_prompt(prompt, f"{name} is {value}, not {domain.in_words}")
            state = np.array([row], dtype=np.int64)
        elif not self._directly_readable and prompt in self._state_by_prompt:
            state = self.states_at(np.array([self._state_by_prompt[prompt]]))
        else:
            raise self._no_prompt(prompt)
        if self.prompts(state) != [prompt]:
            raise self._no_prompt(prompt)
        return state

    def _no_prompt(self, prompt: str, why: str = "") -> UsageError:
        shown = prompt if len(prompt) <= 60 else prompt[:57] + "…"
        return UsageError(
            f"{shown!r} is no sequence of world {self.name}" + (f" ({why})" if why else ""),
            f"write {', '.join(self.inputs)} like {self.example_prompt!r}",
        )

    @functools.cached_property
    def example_prompt(self) -> str:
        """A prompt of this world, to show how one is written."""
        return self.prompts(self.states_at(np.array([(self.size - 1) * 2 // 3])))[0]

    def answer(self, prompt: str) -> str:
        """The right completion of a prompt. Raises `UsageError` for a text that is none."""
        return self.completions(self.state(prompt))[0]

    def same_as(self, other: World) -> bool:
        """Whether inputs, rules and texts are the same; comments in their files don't count."""
        return self._defined_by() == other._defined_by()

    def _defined_by(self) -> tuple[object, ...]:
        texts = (self.prompt_template.text, self.completion_template.text)
        return self.name, dict(self.inputs), dict(self.rules), texts

    def in_words(self) -> list[str]:
        """What each rule gives, and what else the completion writes: a sentence each."""
        fields = self.completion_template.fields
        written = [field for field in fields if not isinstance(field.tree, Name)]
        return [
            *(self._rule_in_words(name) for name in self.rules),
            *(sentence(field.name, field.tree, field.text) for field in written),
        ]

    def _rule_in_words(self, name: str) -> str:
        return f"{name} is {self.rules[name]}"

    def prompt_spans(self, prompt: str) -> dict[str, Span | None]:
        """Where each input stands in a prompt; None for one that isn't there."""
        return self.prompt_template.read(prompt, self._input_bounds)

    def spans(self, completion: str) -> dict[str, Span | None]:
        """Where each part stands in a completion; None for a part that isn't there."""
        return self.completion_template.read(completion, self._all_bounds)

    def grade(self, prompt: str, completion: str) -> Grade:
        """Hold a completion against the rules, part by part."""
        right = self.answer(prompt)
        written, expected = self.spans(completion), self.spans(right)
        parts = {
            name: PartGrade(span.value if (span := written[name]) else None, truth.value)
            for name, truth in expected.items()
            if truth is not None
        }
        return Grade(completion == right, parts)

    def counterfactual(self, prompt: str, changes: Mapping[str, int]) -> str:
        """The prompt of the state that differs in these inputs.

        Raises `UsageError` for an input that there is not, or a value that it can't have.
        """
        state = self.state(prompt).copy()
        for name, value in changes.items():
            if name not in self.inputs:
                raise UsageError(f"no input is called {name!r}", f"one of {', '.join(self.inputs)}")
            domain = self.inputs[name]
            if not domain.low <= value <= domain.high:
                raise UsageError(f"{name} can't be {value}", f"it is {domain.in_words}")
            state[0, list(self.inputs).index(name)] = value
        return self.prompts(state)[0]

    # -- what follows from the rules -------------------------------------------------------------

    def depends_on(self, part: str) -> list[str]:
        """The inputs that change this part in some state, found by changing each."""
        states = self.states()
        before = self.part_values(states)[part]
        found = []
        for column, (name, domain) in enumerate(self.inputs.items()):
            changed = states.copy()
            changed[:, column] = domain.low + (changed[:, column] - domain.low + 1) % domain.size
            if (self.part_values(changed)[part] != before).any():
                found.append(name)
        return found

    def ancestors(self, part: str) -> list[str]:
        """The inputs and outputs that this part may be computed from, directly or through others.

        >>> from the_experiment.worlds.catalog import find_world
        >>> find_world("causal").ancestors("newD")
        ['A', 'D', 'newB']
        """
        states = self.states()
        before = self.part_values(states)[part]
        found = self.depends_on(part)
        for name, ends in self.output_bounds.items():
            forced = (self.evaluate(states, {name: value}) for value in ends)
            changes = any((self.parts_from(states, one)[part] != before).any() for one in forced)
            if changes and name != part:
                found.append(name)
        return found

    def depth(self, part: str) -> int:
        """How many rules stand in a row from the inputs to this part; 1 where nobody can tell."""
        return 1 if part in self.parts else 0

    @functools.cached_property
    def alphabet(self) -> str:
        """Every character that a prompt or a completion can have, sorted."""
        templates = (self.prompt_template, self.completion_template)
        characters = set("".join(literal for t in templates for literal in t.literals))
        for low, high in self._field_bounds:
            few = high - low < 1_000
            characters |= set("".join(map(str, range(low, high + 1))) if few else "0123456789")
            characters |= {"-"} if low < 0 else set()
        return "".join(sorted(characters))

    @functools.cached_property
    def longest(self) -> int:
        """An upper bound on the characters of a prompt and its completion together."""
        templates = (self.prompt_template, self.completion_template)
        literals = sum(len(literal) for t in templates for literal in t.literals)
        return literals + sum(max(len(str(v)) for v in reach) for reach in self._field_bounds)

    @property
    def _field_bounds(self) -> list[Bounds]:
        templates = (self.prompt_template, self.completion_template)
        return [bounds(field.tree, self._all_bounds) for t in templates for field in t.fields]

    @functools.cached_property
    def _input_bounds(self) -> dict[str, Bounds]:
        return {name: (domain.low, domain.high) for name, domain in self.inputs.items()}

    @functools.cached_property
    def _all_bounds(self) -> dict[str, Bounds]:
        return {**self._input_bounds, **self.output_bounds}

    def _input_values(self, states: Integers) -> dict[str, Integers]:
        return dict(zip(self.inputs, states.T, strict=True))

    # -- telling prompts apart -------------------------------------------------------------------

    @functools.cached_property
    def _directly_readable(self) -> bool:
        """Whether every input stands in the prompt by itself and can be read off."""
        names = {str(field.tree) for field in self.prompt_template.fields}
        return set(self.inputs) <= names and self.prompt_template.unambiguous(self._input_bounds)

    @functools.cached_property
    def _state_by_prompt(self) -> dict[str, int]:
        prompts: Sequence[str] = self.prompts(self.states())
        return {prompt: index for index, prompt in enumerate(prompts)}

    def shared_prompt(self) -> tuple[str, int, int] | None:
        """A prompt that two states have, with their numbers, or None where there is none."""
        if self._directly_readable:
            return None
        seen: dict[str, int] = {}
        for index, prompt in enumerate(self.prompts(self.states())):
            if prompt in seen:
                return prompt, seen[prompt], index
            seen[prompt] = index
        return None
