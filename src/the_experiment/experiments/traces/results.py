"""What tuned models answer beside their base and controls, with intervals and paired tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, write_json
from the_experiment.evaluation.statistics import LEVEL, Drop, Rate, corrected, drop_in_share, short
from the_experiment.experiments.traces.asking_models import PuzzleSet, TraceAnswer
from the_experiment.worlds.causal.puzzle import Puzzle

ALL = "all"  # kinds together
COMMONEST = "commonest answer"

Right = Sequence[bool]
ByModel = dict[str, dict[str, list[bool]]]  # by benchmark, by model: which are right
BY_MODEL: TypeAdapter[ByModel] = TypeAdapter(ByModel)
ANSWERS: TypeAdapter[list[TraceAnswer]] = TypeAdapter(list[TraceAnswer])


def by_kind(puzzles: Sequence[Puzzle]) -> dict[str, list[int]]:
    """The numbers of the puzzles: all of them, then those of each kind."""
    found = {ALL: list(range(len(puzzles)))}
    for kind in sorted({puzzle.kind for puzzle in puzzles}):
        found[kind] = [n for n, puzzle in enumerate(puzzles) if puzzle.kind == kind]
    return found


def majority_right(puzzles: Sequence[Puzzle]) -> list[bool]:
    """Which are right for whoever gives the commonest answer to questions of a kind and form."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for puzzle in puzzles:
        counts.setdefault((puzzle.kind, puzzle.asks), Counter())[puzzle.answer] += 1
    best = {form: max(sorted(found), key=found.__getitem__) for form, found in counts.items()}
    return [puzzle.answer == best[puzzle.kind, puzzle.asks] for puzzle in puzzles]


@dataclass(frozen=True)
class Gain:
    """How much more of a set one model has right than another, over the same puzzles."""

    asked: str
    model: str
    other: str
    drop: Drop  # from the one to the other

    def sentence(self) -> str:
        """Such as `longer: causal .21 [.10 to .31] above format, beyond chance (p = .0021)`."""
        way = "above" if self.drop.drop >= 0 else "below"
        low, high = sorted((self.drop.low, self.drop.high))
        if self.drop.drop < 0:
            low, high = -high, -low
        verdict = "beyond chance" if self.drop.beyond_chance else "inside the noise"
        return (
            f"{self.asked}: {self.model} {short(abs(self.drop.drop))} [{short(low)} to "
            f"{short(high)}] {way} {self.other}, {verdict} (p = {self.drop.corrected:.2g})"
        )


@dataclass(frozen=True)
class FormAndContent:
    """How many answers to a set are bare, as asked for: of the tested model, and of the base."""

    asked: str
    model: str
    base: str
    formed: Rate
    formed_by_base: Rate
    content: Gain  # of right answers, in whatever form

    def sentence(self) -> str:
        """Such as `longer: bare answers are 0/9 of base and 9/9 of causal: form and content …`."""
        form = self.formed.low > self.formed_by_base.high
        content = self.content.drop.beyond_chance and self.content.drop.drop > 0
        what = {
            (True, True): "form and content gained",
            (True, False): "form gained, content did not beyond chance",
            (False, True): "content gained, form did not",
            (False, False): "neither gained beyond chance",
        }[form, content]
        return (
            f"{self.asked}: bare answers are {self.formed_by_base} of {self.base} and "
            f"{self.formed} of {self.model}: {what}"
        )


@dataclass(frozen=True)
class Derived:
    """How often the tested model writes the derivation that code computes, and what follows it."""

    asked: str
    model: str
    whole: Rate  # of all puzzles of the set
    right: Rate  # answers after a derivation that is whole
    otherwise: Rate  # answers after any other

    def sentence(self) -> str:
        """Such as `longer: causal has the whole derivation right in 8/240 [.02–.06]; …`."""
        if not self.whole.k:
            return f"{self.asked}: {self.model} never has the whole derivation right"
        return (
            f"{self.asked}: {self.model} has the whole derivation right in {self.whole}; "
            f"its answers are right in {self.right} of those, and in {self.otherwise} of the others"
        )


@dataclass(frozen=True)
class TraceResults:
    """The answers of each model to each set, and which questions of benchmarks each has right.

    The first model is the base, the second is tested.
    """

    sets: list[PuzzleSet]
    answers: Mapping[str, Mapping[str, Sequence[TraceAnswer]]]  # by model, by set
    benchmarks: Mapping[str, Mapping[str, Right]] = field(default_factory=dict)  # by model in each

    @property
    def models(self) -> list[str]:
        """In the order in which they are told."""
        return list(self.answers)

    def right(self, model: str, asked: PuzzleSet) -> list[bool]:
        """Which puzzles of a set a model, or the baseline, has right."""
        if model == COMMONEST:
            return majority_right(asked.puzzles)
        return [answer.right for answer in self.answers[model][asked.name]]

    def rates(self, asked: PuzzleSet) -> dict[str, dict[str, Rate]]:
        """By model and baseline, by kind: how many are right."""
        kinds = by_kind(asked.puzzles)
        found = {}
        for model in (*self.models, COMMONEST):
            right = self.right(model, asked)
            found[model] = {
                kind: Rate(sum(right[n] for n in numbers), len(numbers))
                for kind, numbers in kinds.items()
            }
        return found

    @cached_property
    def right_by_model(self) -> dict[str, Mapping[str, Right]]:
        """By set and benchmark, by model, in sets by the baseline too: which are right."""
        models = (*self.models, COMMONEST)
        puzzles = {
            asked.name: {model: self.right(model, asked) for model in models} for asked in self.sets
        }
        return {**puzzles, **self.benchmarks}

    @cached_property
    def totals(self) -> dict[str, dict[str, Rate]]:
        """By set and benchmark, by model, in sets by the baseline too: how many are right."""
        return {
            name: {model: Rate(sum(right), len(right)) for model, right in found.items()}
            for name, found in self.right_by_model.items()
        }

    @cached_property
    def gains(self) -> list[Gain]:
        """The tested model against each other one, everywhere; p corrected for all of them."""
        if len(self.models) < 2:
            return []
        tested = self.models[1]
        pairs = [
            (name, other)
            for name, found in self.right_by_model.items()
            for other in found
            if other != tested
        ]
        drops = [
            drop_in_share(self.right_by_model[name][tested], self.right_by_model[name][other])
            for name, other in pairs
        ]
        return [
            Gain(name, tested, other, drop)
            for (name, other), drop in zip(pairs, corrected(drops), strict=True)
        ]

    @cached_property
    def forms(self) -> list[FormAndContent]:
        """Form beside content, of the tested model and the base; none where form was not kept."""
        return [] if len(self.models) < 2 else [*filter(None, map(self._form_of, self.sets))]

    def _form_of(self, asked: PuzzleSet) -> FormAndContent | None:
        base, tested = self.models[:2]
        rates = [self._bare(model, asked) for model in (tested, base)]
        if rates[0] is None or rates[1] is None:
            return None
        found = ((gain.asked, gain.other) for gain in self.gains)
        content = self.gains[[*found].index((asked.name, base))]
        return FormAndContent(asked.name, tested, base, rates[0], rates[1], content)

    def _bare(self, model: str, asked: PuzzleSet) -> Rate | None:
        formed = [answer.bare for answer in self.answers[model][asked.name]]
        return None if None in formed else Rate(sum(map(bool, formed)), len(formed))

    @cached_property
    def derived(self) -> list[Derived]:
        """The traces of the tested model, on each set."""
        return [self._derived(model, asked) for model in self.models[1:2] for asked in self.sets]

    def _derived(self, model: str, asked: PuzzleSet) -> Derived:
        answers = self.answers[model][asked.name]
        pairs = [
            (puzzle.causality in answer.written, answer.right)
            for puzzle, answer in zip(asked.puzzles, answers, strict=True)
        ]
        after = {whole: [right for one, right in pairs if one is whole] for whole in (True, False)}
        return Derived(
            asked.name,
            model,
            Rate(len(after[True]), len(pairs)),
            *(Rate(sum(right), len(right)) for right in after.values()),
        )

    def sentences(self) -> list[str]:
        """What the comparisons say."""
        return [
            *(one.sentence() for one in self.derived),
            *(one.sentence() for one in self.forms),
            *(gain.sentence() for gain in self.gains),
            f"Test: McNemar's exact one, p corrected after Holm for all {len(self.gains)}; "
            f"beyond chance: p < {LEVEL}. Interval: Newcombe, of pairs.",
        ]

    def write(self, path: Path) -> None:
        """Keep all puzzles and answers in a file."""
        write_json(
            path,
            {
                "sets": {
                    asked.name: [
                        one.model_dump(mode="json", exclude_defaults=True) for one in asked.puzzles
                    ]
                    for asked in self.sets
                },
                "answers": {
                    model: {
                        name: ANSWERS.dump_python([*one], mode="json")
                        for name, one in found.items()
                    }
                    for model, found in self.answers.items()
                },
                "benchmarks": self.benchmarks,
            },
        )

    @classmethod
    def read(cls, path: Path) -> TraceResults:
        """What `write` kept. Raises `ExperimentError` where it is missing, or something else."""
        hint = "run `the-experiment traces evaluate` again; what is answered is kept"
        kept = read_json(path, hint)
        try:
            sets = [
                PuzzleSet(name, [Puzzle.model_validate(row) for row in rows])
                for name, rows in kept["sets"].items()
            ]
            answers = {
                model: {name: ANSWERS.validate_python(one) for name, one in found.items()}
                for model, found in kept["answers"].items()
            }
            benchmarks = BY_MODEL.validate_python(kept["benchmarks"])
        except (ValidationError, KeyError, TypeError, AttributeError):
            raise ExperimentError(f"{path} holds no answers to puzzles", hint) from None
        return cls(sets, answers, benchmarks)

    def as_json(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "sets": {
                asked.name: {
                    model: {kind: rate.as_json() for kind, rate in rates.items()}
                    for model, rates in self.rates(asked).items()
                }
                for asked in self.sets
            },
            "benchmarks": {
                name: {model: rate.as_json() for model, rate in self.totals[name].items()}
                for name in self.benchmarks
            },
            "derived": [
                {"set": one.asked, "of": one.model}
                | {name: getattr(one, name).as_json() for name in ("whole", "right", "otherwise")}
                for one in self.derived
            ],
            "forms": [
                {"set": one.asked, "of": one.model, "beside": one.base}
                | {name: getattr(one, name).as_json() for name in ("formed", "formed_by_base")}
                for one in self.forms
            ],
            "gains": [
                {"set": one.asked, "of": one.model, "over": one.other, **one.drop.as_json()}
                for one in self.gains
            ],
        }
