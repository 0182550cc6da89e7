"""Worlds whose prompts a generator draws: programs, and questions."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers, derived_seed
from the_experiment.base.words import counted
from the_experiment.worlds.errors import WorldError
from the_experiment.worlds.generators import Answer, Generator, takes_hops
from the_experiment.worlds.meaning import MEANING, numbered
from the_experiment.worlds.parts import Domain
from the_experiment.worlds.programs.chain import another_constant, spans_of, with_constant
from the_experiment.worlds.programs.interpreter import answer_of
from the_experiment.worlds.programs.syntax import with_names_in_order
from the_experiment.worlds.questions.answers import YES_NO
from the_experiment.worlds.questions.question import meaning_of
from the_experiment.worlds.template import Span
from the_experiment.worlds.tree import Bounds
from the_experiment.worlds.world import World

ANSWER = "answer"  # the one part of a completion
CONSTANT = "constant"  # what a program's counterfactual differs in
MOST_DRAWS = 20  # for each text that is kept: a generator may draw one twice
FIELD = "{answer}"

Truths = tuple[str, str]  # how false and true are written


class Drawn(NamedTuple):
    """A text that was drawn, its right answer, and what its generator tells of it."""

    text: str
    answer: Answer
    metadata: dict[str, Any]

    @property
    def constants(self) -> dict[str, int]:
        """The whole numbers among what is told."""
        return {name: value for name, value in self.metadata.items() if type(value) is int}


class GeneratedWorld(World):
    """So many different texts of each length, and of each number of hops, drawn by a generator.

    A state is which of them: its length, its hops where the generator asks for them, and its number
    among those. The same names and numbers draw the same texts. Two texts with one answer mean the
    same where their generator tells one `meaning` of both in its metadata, or else where they are
    one text in `canonical` form. Raises `WorldError` where the generator can't make as many, or
    gives a number for one and a truth value for another.
    """

    truths: Truths = YES_NO

    def __init__(
        self,
        name: str,
        generator: Generator,
        length: Domain,
        count: int,
        hops: Domain | None = None,
        completion: str = FIELD,
        source: str = "",
    ) -> None:
        if completion.count(FIELD) != 1:
            raise WorldError("completion", f"has to have {FIELD} in it, once")
        self.generator, self.source = generator, source
        self.before, self.after = completion.split(FIELD)
        shape = {"length": length} | ({"hops": hops} if hops else {})
        super().__init__(name, {**shape, "number": Domain(0, count - 1)})
        takes = takes_hops(generator)
        if takes != bool(hops):
            raise WorldError("hops", f"this generator takes {'' if takes else 'no '}num_hops")
        call = f"{getattr(generator, '__name__', 'generator')}({', '.join(shape)})"
        self.rules = {ANSWER: f"what {call} says"}
        for one in self._shapes:  # refuses at once what can't be
            pool(generator, one, 1)

    # -- what is drawn ---------------------------------------------------------------------------

    def drawn(self, states: Integers) -> list[Drawn]:
        """The text of each state and its answer."""
        return [self._pool(*shape)[number] for *shape, number in states.tolist()]

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        """Every length with every number of hops, in the order of the states."""
        *domains, _ = self.inputs.values()
        return list(product(*(range(one.low, one.high + 1) for one in domains)))

    def _pool(self, *shape: int) -> tuple[Drawn, ...]:
        return pool(self.generator, shape, self.inputs["number"].size)

    @functools.cached_property
    def _whole(self) -> list[Drawn]:
        """Every text, in the order of the states."""
        whole = [one for shape in self._shapes for one in self._pool(*shape)]
        repeated = len(whole) - len({one.text for one in whole})
        if repeated:
            raise WorldError("length", f"{repeated} texts come in two lengths: choose one length")
        return whole

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of each text's state."""
        return {one.text: number for number, one in enumerate(self._whole)}

    @functools.cached_property
    def _boolean(self) -> bool:
        kinds = {type(one.answer) for one in self._whole}
        if len(kinds) > 1:
            raise WorldError("completion", "some answers are numbers and some are truth values")
        return kinds == {bool}

    # -- what every world says -------------------------------------------------------------------

    def evaluate(
        self, states: Integers, forced: Mapping[str, int] | None = None
    ) -> dict[str, Integers]:
        """The answer in each state."""
        answers = [int(one.answer) for one in self.drawn(states)]
        if forced and ANSWER in forced:
            answers = [forced[ANSWER]] * len(states)
        return {ANSWER: np.array(answers, dtype=np.int64)}

    def constants(self, states: Integers) -> dict[str, Integers]:
        """Those that every text has, such as where a range starts."""
        every = [one.constants for one in self._whole]
        names = sorted(set.intersection(*map(set, every)) - {*self.inputs, ANSWER})
        drawn = self.drawn(states)
        return {name: np.array([one.constants[name] for one in drawn]) for name in names}

    @functools.cached_property
    def output_bounds(self) -> dict[str, Bounds]:
        answers = [int(one.answer) for one in self._whole]
        return {ANSWER: (min(answers), max(answers))}

    @property
    def parts(self) -> list[str]:
        return [ANSWER]

    def parts_from(
        self,
        states: Integers,  # noqa: ARG002
        outputs: Mapping[str, Integers],
    ) -> dict[str, Integers]:
        return {ANSWER: outputs[ANSWER]}

    def prompts(self, states: Integers) -> list[str]:
        return [one.text for one in self.drawn(states)]

    def completions(self, states: Integers, forced: Mapping[str, int] | None = None) -> list[str]:
        return [self._written(value) for value in self.evaluate(states, forced)[ANSWER].tolist()]

    def _written(self, value: int) -> str:
        """A completion with this answer."""
        return self.before + (self.truths[value] if self._boolean else str(value)) + self.after

    def states_of(self, prompts: Sequence[str]) -> Integers:
        numbers = [self._number_of(prompt) for prompt in prompts]
        return self.states_at(np.array(numbers, dtype=np.int64))

    def _number_of(self, prompt: str) -> int:
        if prompt not in self._numbers:
            shown = repr(prompt) if len(prompt) <= 60 else repr(prompt[:57]) + "…"
            raise UsageError(
                f"{shown} is not one of the {self.size:,} texts of world {self.name}",
                f"one of them is {self.example_prompt!r}",
            )
        return self._numbers[prompt]

    @functools.cached_property
    def example_prompt(self) -> str:
        return pool(self.generator, self._shapes[0], 1)[0].text  # no other has to be drawn

    def prompt_spans(self, prompt: str) -> dict[str, Span | None]:  # noqa: ARG002
        """Nothing is known of what stands where in a text."""
        return {}

    def spans(self, completion: str) -> dict[str, Span | None]:
        found = self._pattern.match(completion)
        if not found:
            return {ANSWER: None}
        value = self.truths.index(found[1]) if self._boolean else int(found[1])
        return {ANSWER: Span(found.start(1), found.end(1), value)}

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The beginning of a completion as far as its answer."""
        answer = "|".join(self.truths) if self._boolean else r"-?[0-9]{1,18}"
        return re.compile(f"{re.escape(self.before)}({answer})")

    @functools.cached_property
    def alphabet(self) -> str:
        texts = {character for one in self._whole for character in one.text}
        answers = {*"".join(self.truths)} if self._boolean else {*"-0123456789"}
        return "".join(sorted(texts | answers | {*self.before, *self.after}))

    @functools.cached_property
    def longest(self) -> int:
        answers = self.truths if self._boolean else map(str, self.output_bounds[ANSWER])
        texts = max(len(one.text) for one in self._whole)
        return texts + max(map(len, answers)) + len(self.before + self.after)

    def in_words(self) -> list[str]:
        about = (inspect.getdoc(self.generator) or "").partition("\n")[0]
        return [f"answer is right for: {about}" if about else f"answer is {self.rules[ANSWER]}"]

    def _defined_by(self) -> tuple[object, ...]:
        return self.name, dict(self.inputs), dict(self.rules), self.before, self.after

    # -- what texts mean -------------------------------------------------------------------------

    def canonical(self, drawn: Drawn) -> str:
        """What a text means whose generator doesn't tell it: the same text for all its twins."""
        return meaning_of(drawn)

    def meanings(self, states: Integers) -> Integers:
        """What each text means: shape (n,). The same number everywhere, whatever else is drawn."""
        return self._meanings[self.indices(states)]

    def cases(self, part: str, states: Integers) -> Integers:  # noqa: ARG002
        """Which case each text is: its meaning."""
        return self.meanings(states)

    @functools.cached_property
    def has_twins(self) -> bool:
        return len(np.unique(self._meanings)) < self.size

    @functools.cached_property
    def _meanings(self) -> Integers:
        """The meaning of every text, in the order of the states."""
        told = (one.metadata.get(MEANING) or self.canonical(one) for one in self._whole)
        texts = zip(told, self._whole, strict=True)
        return np.array([numbered(f"{meaning}\n{one.answer}") for meaning, one in texts])

    # -- what can't be told from numbers ---------------------------------------------------------

    def features(self, states: Integers) -> Integers:
        """The code of each character, counted from a text's beginning and again from its end."""
        texts = [one.text for one in self.drawn(states)]
        width = max(len(one.text) for one in self._whole)
        filled = "".join(text.ljust(width, "\0") + text.rjust(width, "\0") for text in texts)
        return np.array([ord(one) for one in filled], dtype=np.int64).reshape(len(texts), 2 * width)

    def depends_on(self, part: str) -> list[str]:  # noqa: ARG002
        return list(self.inputs)

    def ancestors(self, part: str) -> list[str]:
        return self.depends_on(part)

    @property
    def changeable(self) -> list[str]:
        return []


@functools.lru_cache(maxsize=1024)  # more than a world has of lengths and hops
def pool(generator: Generator, shape: tuple[int, ...], count: int) -> tuple[Drawn, ...]:
    """`count` different texts of one length, or of one length and number of hops."""
    rng = np.random.RandomState(derived_seed(0, "texts", *shape) % 2**32)
    found: dict[str, Drawn] = {}
    for _ in range(MOST_DRAWS * count):
        if len(found) == count:
            break
        text, answer, metadata = generator(shape[0], rng, *shape[1:])
        found.setdefault(text, Drawn(text, answer, metadata))
    if len(found) < count:
        length, *hops = shape
        of = f"length {length}" + "".join(f" and {counted(one, 'hop')}" for one in hops)
        problem = f"only {len(found):,} different texts were found of {of}"
        raise WorldError("count", f"{problem}: lower it, or take longer ones")
    return tuple(found.values())


class ProgramWorld(GeneratedWorld):
    """Programs: any program is answered by running it, whether it was drawn or not.

    What can be changed in one is the constant at the beginning of the chain that is asked about.
    Programs mean the same that differ in the names of their variables only.
    """

    truths = ("False", "True")

    def canonical(self, drawn: Drawn) -> str:
        return with_names_in_order(drawn.text)

    def answers(self, prompts: Sequence[str]) -> list[str]:
        return [self._written(int(answer_of(prompt))) for prompt in prompts]

    def prompt_spans(self, prompt: str) -> dict[str, Span | None]:
        try:
            return dict(spans_of(prompt))
        except UsageError:  # a program without a chain
            return {}

    @property
    def changeable(self) -> list[str]:
        return [CONSTANT] if self.prompt_spans(self.example_prompt) else []

    def neighbour(self, prompt: str, name: str) -> str:  # noqa: ARG002
        """The same program with another constant, drawn among those that occur nowhere in it."""
        rng = np.random.RandomState(derived_seed(0, "constant", prompt) % 2**32)
        return with_constant(prompt, another_constant(prompt, rng))

    def counterfactual(self, prompt: str, changes: Mapping[str, int]) -> str:
        for name, value in changes.items():
            if name != CONSTANT:
                raise UsageError(f"no {name!r} can be changed in a program", f"change {CONSTANT}")
            prompt = with_constant(prompt, value)
        return prompt
