"""Models and baselines on the same states of one split, graded by every measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from the_experiment.base.seeds import Integers, Stream
from the_experiment.data.cases import Cases, Guesses, Truths, cases_of, whole_cases
from the_experiment.data.split import Split
from the_experiment.evaluation.baseline import baselines, learned
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.guessing import p_of_guessing
from the_experiment.evaluation.predictions import Shares, sometimes
from the_experiment.evaluation.scores import (
    Grades,
    Score,
    graded_baseline,
    graded_model,
    measures_of,
)
from the_experiment.evaluation.statistics import Rate
from the_experiment.evaluation.trained import Trained
from the_experiment.evaluation.verdict import Pairing
from the_experiment.worlds import EXACT, World
from the_experiment.worlds.tree import LARGEST

MOST_STATES = 10_000  # of one kind are asked; of more, a sample of this many
MISSING = np.iinfo(np.int64).min  # what stands for a part that was not written


@dataclass(frozen=True)
class Contestant:
    """A model or baseline on one split. A baseline lacks measures that it can't be applied to."""

    name: str
    is_model: bool
    seen: Mapping[str, Rate]  # by measure: states, right in every tie-break
    held_out: Mapping[str, Score]  # by measure: cases
    graded: Grades  # on the held-out states
    right: Mapping[str, Shares]  # by measure (ways, cases): how right each held-out case is
    written: Mapping[str, Integers] = field(default_factory=dict)  # by rule, in each held-out state

    @property
    def fitted(self) -> bool:
        """Whether every seen state is exact."""
        return self.seen[EXACT].k == self.seen[EXACT].n

    def as_json(self) -> dict[str, Any]:
        """The contestant as plain values."""
        return {
            "model": self.is_model,
            "seen": {name: rate.as_json() for name, rate in self.seen.items()},
            "held_out": {name: score.as_json() for name, score in self.held_out.items()},
        }


@dataclass(frozen=True)
class Exam:
    """The states of a split that are asked, and what is measured on them."""

    world: World
    seen: Integers
    held_out: Integers
    shown: Integers  # all states that were seen, asked or not

    @classmethod
    def of(cls, split: Split) -> Exam:
        """All states of a split, or a sample where they are very many."""
        seed = split.manifest.seed
        return cls(
            split.world,
            sampled(split.seen, seed, "seen"),
            sampled(split.held_out, seed, "held-out"),
            split.seen,
        )

    @cached_property
    def measures(self) -> dict[str, list[str]]:
        """The parts that must be right, by measure."""
        return measures_of(self.world)

    @cached_property
    def cases(self) -> dict[str, Cases]:
        """The cases of the held-out states, by measure."""
        asked = (self.shown, self.held_out)
        found = {name: cases_of(self.world, of, *asked) for name, of in self.measures.items()}
        return found | {EXACT: whole_cases(self.world, *asked)}

    def model(self, model: Trained) -> Contestant:
        """A trained model's completions, graded."""
        seen, held_out = (
            model.complete(self.world.prompts(states)) for states in (self.seen, self.held_out)
        )
        on_seen = graded_model(right_by_part(self.world, seen))
        on_held_out = graded_model(right_by_part(self.world, held_out))
        written = {part: _written(held_out, part) for part in self.world.rule_parts}
        return self._contestant(model.name, on_seen, on_held_out, written)

    def baselines(self) -> list[Contestant]:
        """Every baseline that can be applied, fitted to all states that were seen."""
        states = np.concatenate([self.seen, self.held_out])
        truth = self.world.part_values(states)
        seen, held_out = slice(len(self.seen)), slice(len(self.seen), None)
        found = []
        for name in baselines.names():
            predictions = learned(baselines[name], self.world, self.shown, states)
            if predictions:
                on_seen = graded_baseline(predictions, truth, seen)
                on_held_out = graded_baseline(predictions, truth, held_out)
                found.append(self._contestant(name, on_seen, on_held_out))
        return found

    def _contestant(
        self,
        name: str,
        seen: Grades,
        held_out: Grades,
        written: Mapping[str, Integers] | None = None,
    ) -> Contestant:
        """`written` is None for a baseline."""
        every = {**self.measures, EXACT: [EXACT]}
        asked = {name: parts for name, parts in every.items() if {*parts} <= seen.shares.keys()}
        right = {measure: held_out.right(self.cases[measure]) for measure in asked}
        return Contestant(
            name=name,
            is_model=written is not None,
            seen={
                measure: Rate(seen.all_right(parts), len(self.seen))
                for measure, parts in asked.items()
            },
            held_out={
                measure: Score.of(
                    right[measure], held_out.solves_all(parts), self.cases[measure].new
                )
                for measure, parts in asked.items()
            },
            graded=held_out,
            right=right,
            written=written or {},
        )


def right_by_part(world: World, completions: Sequence[Completion]) -> dict[str, list[bool]]:
    """Which completions are right, by part and as a whole."""
    right = {part: [one.parts[part].correct for one in completions] for part in world.parts}
    return right | {EXACT: [one.exact for one in completions]}


def _written(completions: Sequence[Completion], part: str) -> Integers:
    values = (one.parts[part].written for one in completions)
    fits = (MISSING if value is None or abs(value) > LARGEST else value for value in values)
    return np.array(list(fits), dtype=np.int64)


def sampled(states: Integers, seed: int, kind: str) -> Integers:
    """All states (n, inputs) of a kind, or a sample where they are very many."""
    if len(states) <= MOST_STATES:
        return states
    return states[np.sort(Stream(seed, "asked", kind).shuffled(len(states))[:MOST_STATES])]


MOST_WAYS = 64  # to choose among baselines that know a part equally well


@dataclass(frozen=True)
class Composite:
    """Some baselines taken together, part by part, by hindsight."""

    best: Sequence[Sequence[Truths]]  # by part: (cases,) that each of the best baselines has right
    guesses: Guesses  # in each case

    @classmethod
    def of(
        cls, baselines: Sequence[Contestant], cases: Cases, parts: Sequence[str], asked: Truths
    ) -> Composite:
        """On those cases that are asked; of ties the lucky end."""
        best = [
            _best(
                [
                    sometimes(cases.part_right(part, states)[asked])
                    for one in baselines
                    for states in one.graded.ways_of(part)
                ]
            )
            for part in parts
        ]
        return cls(best, cases.guesses[asked])

    @cached_property
    def ways(self) -> list[Truths]:
        """(cases, parts) that are known, in every way to choose among the best; or by any, of many.

        Two that have equally many cases right may have different ones.
        """
        best = self.best
        if math.prod(map(len, best)) > MOST_WAYS:
            best = [[np.logical_or.reduce(of_part)] for of_part in best]
        return [np.stack(way, axis=1) for way in product(*best)]

    @property
    def right(self) -> int:
        """How many cases are right, in the best way."""
        return max(int(way.all(axis=1).sum()) for way in self.ways)

    def p(self, model: Truths) -> float:
        """p of a model that is right in these cases being better, and of guessing: the larger."""
        return max(self.p_better(model), self.p_of_guessing(model))

    def p_better(self, model: Truths) -> float:
        """p of a model being better (exact McNemar)."""
        known = (np.logical_and.reduce(way, axis=1).astype(float) for way in self.ways)
        return max(Pairing.of(model, right).better for right in known)

    def p_of_guessing(self, model: Truths) -> float:
        """p of as many right cases by guessing what is not known."""
        return max(p_of_guessing(int(model.sum()), self.guesses, way) for way in self.ways)


def _best(found: Sequence[Truths]) -> list[Truths]:
    """All that are right most often."""
    most = max(right.sum() for right in found)
    return list({right.tobytes(): right for right in found if right.sum() == most}.values())
