"""What a world is: states with right answers, and how both are written."""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.seeds import Integers, Stream
from the_experiment.worlds.errors import WorldError
from the_experiment.worlds.parts import EXACT, Domain, Grade, PartGrade
from the_experiment.worlds.template import Span
from the_experiment.worlds.tree import Bounds

MOST_STATES = 2**24  # what is enumerated at most; 16.8 million states
MOST_NUMBERED = 2**62  # what can be numbered in 64 bits
WIDEST = 2**32  # values of one input; what a `Stream` draws from at most
MOST_COMBINATIONS = 2**20  # of inputs, each tried to find those that a part reads


class World(ABC):
    """A small world with right answers. States are rows of an int64 array, a column an input.

    Worlds written as rules are `RuleWorld`s; those whose rule is code are subclasses of
    `TemplateWorld`; programs and questions that a generator draws are `GeneratedWorld`s.
    """

    rules: Mapping[str, str] = {}  # the text of each rule, for people to read
    source: str = ""  # the YAML text, empty for a world written in Python

    def __init__(self, name: str, inputs: Mapping[str, Domain]) -> None:
        self.name = name
        self.inputs = dict(inputs)
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

    def constants(self, states: Integers) -> dict[str, Integers]:  # noqa: ARG002
        """What a hold-out can speak of beside inputs and outputs, as `evaluate` gives those."""
        return {}

    @property
    @abstractmethod
    def parts(self) -> list[str]:
        """The names of the parts of a completion, in the order in which they are written."""

    @property
    def aggregates(self) -> dict[str, list[str]]:
        """The parts that are computed from what else is written, each with the outputs it uses.

        All other parts are rules.
        """
        return {}

    @property
    def rule_parts(self) -> list[str]:
        """The parts that are rules; where there are none, all parts."""
        return [part for part in self.parts if part not in self.aggregates] or self.parts

    @abstractmethod
    def parts_from(self, states: Integers, outputs: Mapping[str, Integers]) -> dict[str, Integers]:
        """The value of each part where the outputs are these, right or wrong."""

    @abstractmethod
    def prompts(self, states: Integers) -> list[str]:
        """The prompt of each state."""

    @abstractmethod
    def completions(self, states: Integers, forced: Mapping[str, int] | None = None) -> list[str]:
        """The right completion of each state, or the one that follows from `forced` outputs."""

    @abstractmethod
    def states_of(self, prompts: Sequence[str]) -> Integers:
        """The state that each prompt tells: shape (prompts, inputs).

        Raises `UsageError`, with an example, for a text that is no prompt of this world.
        """

    @abstractmethod
    def prompt_spans(self, prompt: str) -> dict[str, Span | None]:
        """Where each input stands in a prompt; None for one that isn't there."""

    @abstractmethod
    def spans(self, completion: str) -> dict[str, Span | None]:
        """Where each part stands in a completion; None for a part that isn't there."""

    @property
    @abstractmethod
    def alphabet(self) -> str:
        """Every character that a prompt or a completion can have, sorted."""

    @property
    @abstractmethod
    def longest(self) -> int:
        """An upper bound on the characters of a prompt and its completion together."""

    @abstractmethod
    def in_words(self) -> list[str]:
        """What each rule gives, and what else the completion writes: a sentence each."""

    @abstractmethod
    def _defined_by(self) -> tuple[object, ...]:
        """What makes it this world and no other."""

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
                "use smaller inputs",
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
        return self._numbered_by(states, self.inputs)

    def sample(self, count: int, stream: Stream) -> Integers:
        """`count` states drawn uniformly, with replacement: shape (count, inputs)."""
        columns = [stream.below(domain.size, count) + domain.low for domain in self.inputs.values()]
        return np.stack(columns, axis=1)

    def features(self, states: Integers) -> Integers:
        """What a learner of patterns is told of each state: shape (n, features); its inputs."""
        return states

    # -- texts ---------------------------------------------------------------------------------

    def part_values(self, states: Integers) -> dict[str, Integers]:
        """The right value of each part in each state."""
        return self.parts_from(states, self.evaluate(states))

    @functools.cached_property
    def example_prompt(self) -> str:
        """A prompt of this world, to show how one is written."""
        return self.prompts(self.states_at(np.array([(self.size - 1) * 2 // 3])))[0]

    def state(self, prompt: str) -> Integers:
        """The state that a prompt tells: shape (1, inputs). Raises as `states_of` does."""
        return self.states_of([prompt])

    def answer(self, prompt: str) -> str:
        """The right completion of a prompt. Raises `UsageError` for a text that is none."""
        return self.answers([prompt])[0]

    def answers(self, prompts: Sequence[str]) -> list[str]:
        """The right completion of each prompt. Raises as `answer` does."""
        return self.completions(self.states_of(prompts))

    def same_as(self, other: World) -> bool:
        """Whether inputs, rules and texts are the same; comments in their files don't count."""
        return self.identity == other.identity

    @functools.cached_property
    def identity(self) -> str:
        """A text that worlds share if inputs, rules and texts are the same."""
        return repr(self._defined_by())

    def grade(self, prompt: str, completion: str) -> Grade:
        """Hold a completion against the rules, part by part."""
        return self.grade_against(self.answer(prompt), completion)

    def grade_against(self, right: str, completion: str) -> Grade:
        """Hold a completion against the right one, part by part."""
        written = self.spans(completion)
        expected = written if completion == right else self.spans(right)
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

    @property
    def changeable(self) -> list[str]:
        """What `neighbour` can change of a prompt."""
        return list(self.inputs)

    def neighbour(self, prompt: str, name: str) -> str:
        """The prompt that differs in this input alone, which has its next value.

        >>> from the_experiment.worlds.catalog import find_world
        >>> find_world("causal").neighbour("0,1,1,1,0", "B")
        '0,0,1,1,0'
        """
        domain = self.inputs[name]
        value = int(self.state(prompt)[0, list(self.inputs).index(name)])
        following = domain.low + (value - domain.low + 1) % domain.size
        return self.counterfactual(prompt, {name: following})

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

    def reads(self, part: str) -> list[str]:
        """The inputs that this part's right value depends on, found by changing each.

        `B OR NOT B` names B and doesn't read it. Above a million combinations of the inputs that
        may matter, all of them count as read.
        """
        return list(self._read[part])

    @functools.cached_property
    def _read(self) -> dict[str, tuple[str, ...]]:
        return {part: self._changing(part) for part in self.parts}

    def _changing(self, part: str) -> tuple[str, ...]:
        """The inputs that change this part in some state; all where there are too many states."""
        return tuple(self.inputs if self.size > MOST_COMBINATIONS else self.depends_on(part))

    def cases(self, part: str, states: Integers) -> Integers:
        """Which case of a part's rule each state is: shape (n,).

        Two states are the same case where every input that the rule reads, directly or through
        other rules, has the same value: whoever knows the one can look the other up.

        >>> from the_experiment.worlds.catalog import find_world
        >>> world = find_world("causal")
        >>> world.cases("newA", np.array([[0, 0, 1, 0, 0], [0, 1, 1, 1, 1]])).tolist()
        [1, 1]
        """
        return self._numbered_by(states, self.reads(part))

    def meanings(self, states: Integers) -> Integers:
        """What each state means: shape (n,). Twins, the same case of every part, share it."""
        return self._numbered_by(states, self._read_by_any)

    @functools.cached_property
    def has_twins(self) -> bool:
        """Whether any two states share their meaning."""
        return any(
            domain.size > 1 and name not in self._read_by_any
            for name, domain in self.inputs.items()
        )

    @functools.cached_property
    def _read_by_any(self) -> frozenset[str]:
        return frozenset(name for part in self.parts for name in self.reads(part))

    def _numbered_by(self, states: Integers, names: Collection[str]) -> Integers:
        numbers = np.zeros(len(states), dtype=np.int64)
        for column, (name, domain) in zip(states.T, self.inputs.items(), strict=True):
            if name in names:
                numbers = numbers * domain.size + (column - domain.low)
        return numbers

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
