"""Worlds whose prompts and completions are templates with a field for each value."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers
from the_experiment.worlds.parts import Domain
from the_experiment.worlds.template import Span, Template
from the_experiment.worlds.tree import Bounds, Name, bounds, names_in
from the_experiment.worlds.tree import evaluate as evaluate_tree
from the_experiment.worlds.words import sentence
from the_experiment.worlds.world import World


class TemplateWorld(World):
    """A world written by two templates.

    A subclass says what its outputs are (`evaluate`, `output_bounds`); all else follows.
    """

    def __init__(
        self, name: str, inputs: Mapping[str, Domain], prompt: str, completion: str
    ) -> None:
        self.prompt_template = Template(prompt)
        self.completion_template = Template(completion)
        super().__init__(name, inputs)

    @property
    def parts(self) -> list[str]:
        """The names of the parts of a completion, in the order in which they are written."""
        return [field.name for field in self.completion_template.fields]

    @property
    def aggregates(self) -> dict[str, list[str]]:
        """The fields that are more than the name of an output, such as sums; see `World`."""
        return {
            field.name: [name.name for name in names_in(field.tree) if name.name in outputs]
            for outputs in [self.output_bounds]
            for field in self.completion_template.fields
            if not (isinstance(field.tree, Name) and field.tree.name in outputs)
        }

    def prompts(self, states: Integers) -> list[str]:
        """The prompt of each state."""
        return self.prompt_template.render(self._input_values(states), len(states))

    def completions(self, states: Integers, forced: Mapping[str, int] | None = None) -> list[str]:
        """The right completion of each state, or the one that follows from `forced` outputs."""
        values = {**self._input_values(states), **self.evaluate(states, forced)}
        return self.completion_template.render(values, len(states))

    def parts_from(self, states: Integers, outputs: Mapping[str, Integers]) -> dict[str, Integers]:
        """The value of each part where the outputs are these, right or wrong."""
        values = {**self._input_values(states), **outputs}
        # Wrong outputs may divide by zero; that is no error, so no state is asked for.
        nowhere = np.zeros(len(states), dtype=np.bool_)
        return {
            field.name: evaluate_tree(field.tree, values, len(states), nowhere)
            for field in self.completion_template.fields
        }

    def states_of(self, prompts: Sequence[str]) -> Integers:
        """The state that each prompt tells: shape (prompts, inputs).

        Raises `UsageError`, with an example, for a text that is no prompt of this world.
        """
        read = self._read_off if self._directly_readable else self._looked_up
        rows = [read(prompt) for prompt in prompts]
        states = np.array(rows, dtype=np.int64).reshape(len(rows), len(self.inputs))
        for prompt, written in zip(prompts, self.prompts(states), strict=True):
            if prompt != written:
                raise self._no_prompt(prompt)
        return states

    def _read_off(self, prompt: str) -> list[int]:
        spans = self.prompt_spans(prompt)
        values = {name: span.value for name, span in spans.items() if span}
        if len(values) < len(spans):
            raise self._no_prompt(prompt)
        for name, domain in self.inputs.items():
            if not domain.low <= values[name] <= domain.high:
                raise self._no_prompt(prompt, f"{name} is {values[name]}, not {domain.in_words}")
        return [values[name] for name in self.inputs]

    def _looked_up(self, prompt: str) -> list[int]:
        if prompt not in self._state_by_prompt:
            raise self._no_prompt(prompt)
        row: list[int] = self.states_at(np.array([self._state_by_prompt[prompt]]))[0].tolist()
        return row

    def _no_prompt(self, prompt: str, why: str = "") -> UsageError:
        shown = prompt if len(prompt) <= 60 else prompt[:57] + "…"
        return UsageError(
            f"{shown!r} is not a sequence of world {self.name}" + (f" ({why})" if why else ""),
            f"write {', '.join(self.inputs)} like {self.example_prompt!r}",
        )

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
        return self.prompt_template.read(prompt, self._prompt_patterns)

    def spans(self, completion: str) -> dict[str, Span | None]:
        """Where each part stands in a completion; None for a part that isn't there."""
        return self.completion_template.read(completion, self._completion_patterns)

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

    @functools.cached_property
    def _prompt_patterns(self) -> list[re.Pattern[str]]:
        return self.prompt_template.patterns(self._input_bounds)

    @functools.cached_property
    def _completion_patterns(self) -> list[re.Pattern[str]]:
        return self.completion_template.patterns(self._all_bounds)

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
