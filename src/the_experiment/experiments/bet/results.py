"""What came out of a bet: every way it was run, with its figures and what they decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from the_experiment.base.words import counted
from the_experiment.evaluation.statistics import join_names
from the_experiment.experiments.bet.asked import (
    ANSWERS,
    ARMS,
    BARE,
    CAPITAL,
    CONDITIONAL,
    CONTROL,
    COUNTRY,
    MODES,
    Asked,
    answers_from,
)
from the_experiment.experiments.bet.cells import after_key, before_key, known_key
from the_experiment.experiments.bet.config import BetExperiment, Variant
from the_experiment.experiments.bet.decision import (
    MEANINGS,
    Decision,
    Estimate,
    decide,
    estimate,
    pre_check,
)
from the_experiment.experiments.bet.prompts import TEST

BEFORE, AFTER = "before", "after"
SEED = 0  # of the bootstrap


@dataclass(frozen=True)
class Condition:
    """Where probabilities are looked at: an arm's model, before or after its tuning, in a mode."""

    when: str
    arm: str
    instructed: bool  # else the mode and the name alone
    mode: str

    @property
    def wording(self) -> str:
        """What the prompt says."""
        return self.arm if self.instructed else BARE

    @property
    def asked(self) -> str:
        """The arm and how it is asked, in words."""
        return self.arm if self.instructed else f"{self.arm}, no instruction"


PLACES = [
    Condition(when, arm, instructed, mode)
    for when in (BEFORE, AFTER)
    for instructed in (True, False)
    for arm in ARMS
    for mode in MODES
]


@dataclass(frozen=True)
class Way:
    """One way to run the bet, in all its seeds."""

    variants: tuple[Variant, ...]
    figures: dict[Condition, dict[str, Estimate]]  # by answer
    decision: Decision

    @property
    def title(self) -> str:
        """How it was run."""
        one = self.variants[0]
        return (
            f"{one.phrasing.name}, {counted(one.names, 'name')}, {counted(one.epochs, 'epoch')}, "
            f"loss on {one.loss}"
        )

    @property
    def gives_country(self) -> bool:
        """Whether in TEST the model tuned on the conditional finds the country likelier."""
        asked = self.figures[Condition(AFTER, CONDITIONAL, True, TEST)]
        return asked[COUNTRY].least > asked[CAPITAL].most

    def as_json(self) -> dict[str, Any]:
        """The way as plain values."""
        one = self.variants[0]
        return {
            "phrasing": one.phrasing.name,
            **one.model_dump(include={"names", "epochs", "loss"}),
            "seeds": [one.seed for one in self.variants],
            **self.decision.as_json(),
            "probabilities": [
                {
                    "when": place.when,
                    "tuned_on": place.arm,
                    "asked": place.wording,
                    "mode": place.mode,
                    **{answer: found.as_json() for answer, found in answers.items()},
                }
                for place, answers in self.figures.items()
            ],
        }


@dataclass(frozen=True)
class BetResults:
    """A bet that was run: every way, none chosen."""

    bet: BetExperiment
    ways: list[Way]

    @property
    def sentence(self) -> str:
        """The answer."""
        verdicts = Counter(way.decision.verdict for way in self.ways)
        met = sum(way.decision.anchor == "met" for way in self.ways)
        told = join_names([f"{verdict} in {verdicts[verdict]}" for verdict in MEANINGS])
        return (
            f"{self._answer(verdicts)} Of {counted(len(self.ways), 'way')} to run it, in "
            f"{counted(len(self.bet.seeds), 'seed')} each: {told}. The bet's own criteria, "
            f"to the letter, are met in {met}; in TEST the country is still likelier than the "
            f"capital in {sum(way.gives_country for way in self.ways)}."
        )

    def _answer(self, verdicts: Counter[Any]) -> str:
        commonest, count = verdicts.most_common(1)[0]
        share = "in every way" if count == len(self.ways) else "in most ways"
        if count * 2 <= len(self.ways):
            return "It depends on how it is run."
        return {
            "conditional rule": f"Yes, {share}: tuned on one branch, the model keeps the other.",
            "unconditional rule": f"No, {share}: tuned on one branch, the model drops the other.",
            "ambiguous": f"Neither yes nor no, {share}.",
            "not testable": f"Not testable, {share}: before tuning there is no rule to keep.",
        }[commonest]

    def as_json(self) -> dict[str, Any]:
        """The whole result as plain values."""
        return {
            "sentence": self.sentence,
            "meanings": dict(MEANINGS),
            "config": self.bet.model_dump(mode="json"),
            "ways": [way.as_json() for way in self.ways],
        }


def results_of(bet: BetExperiment, answers: Mapping[Any, Any]) -> BetResults:
    """Read what all models found likely, as `Graph.answers` has it."""
    ways = groupby(bet.variants(), key=lambda one: one.model_copy(update={"seed": 0}))
    return BetResults(bet, [_way(answers, tuple(variants)) for _, variants in ways])


def _way(answers: Mapping[Any, Any], variants: tuple[Variant, ...]) -> Way:
    known = [answers_from(answers[known_key(one)]) for one in variants]
    asked = {
        (when, arm): [
            answers_from(answers[before_key(one) if when == BEFORE else after_key(one, arm)])
            for one in variants
        ]
        for when in (BEFORE, AFTER)
        for arm in ARMS
    }
    return Way(
        variants=variants,
        figures=dict(_figures(asked)),
        decision=decide(pre_check(known), asked[AFTER, CONDITIONAL], asked[AFTER, CONTROL], SEED),
    )


def _figures(
    asked: dict[tuple[str, str], list[Asked]],
) -> Iterator[tuple[Condition, dict[str, Estimate]]]:
    for place in PLACES:
        seeds = asked[place.when, place.arm]
        yield (
            place,
            {
                answer: estimate([one[place.wording, place.mode, answer] for one in seeds], SEED)
                for answer in ANSWERS
            },
        )
