"""What came out of a bet: every way it was run, with its figures and what they decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    PreCheck,
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
        asked = self.figures.get(Condition(AFTER, CONDITIONAL, True, TEST))
        return asked is not None and asked[COUNTRY].least > asked[CAPITAL].most

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
        told = join_names([f"{verdict} in {verdicts[verdict]}" for verdict in MEANINGS])
        return (
            f"{self._answer(verdicts)} Of {counted(len(self.ways), 'way')} to run it, in "
            f"{counted(len(self.bet.seeds), 'seed')} each: {told}. {self._criteria}"
        )

    @property
    def _criteria(self) -> str:
        if not any(way.decision.criteria for way in self.ways):
            return "No model was tuned."
        met = sum(way.decision.anchor == "met" for way in self.ways)
        return (
            f"The bet's own criteria, to the letter, are met in {met}; in TEST the country is "
            f"still likelier than the capital in {sum(way.gives_country for way in self.ways)}."
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
            "not testable": f"Not testable, {share}: before any tuning {self._why_not}.",
        }[commonest]

    @property
    def _why_not(self) -> str:
        """The commonest reason."""
        reasons = Counter(filter(None, (way.decision.check.why_not for way in self.ways)))
        return reasons.most_common(1)[0][0] if reasons else ""

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
    return BetResults(bet, [_way(answers, tuple(variants)) for variants in _ways(bet)])


def _way(answers: Mapping[Any, Any], variants: tuple[Variant, ...]) -> Way:
    check = check_of(answers, variants)
    when = (BEFORE, AFTER) if check.passed else (BEFORE,)
    asked = {
        (one, arm): [
            answers_from(answers[before_key(of) if one == BEFORE else after_key(of, arm)])
            for of in variants
        ]
        for one in when
        for arm in ARMS
    }
    decision = Decision(check, None)
    if check.passed:
        decision = decide(check, asked[AFTER, CONDITIONAL], asked[AFTER, CONTROL], SEED)
    return Way(variants, dict(_figures(asked)), decision)


def check_of(answers: Mapping[Any, Any], variants: Sequence[Variant]) -> PreCheck:
    """The pre-check of one way to run the bet, in all its seeds."""
    return pre_check([answers_from(answers[known_key(one)]) for one in variants])


def worth_tuning(bet: BetExperiment, answers: Mapping[Any, Any]) -> set[Variant]:
    """The variants whose way to run the bet passes its pre-check."""
    ways = (tuple(variants) for variants in _ways(bet))
    return {one for way in ways if check_of(answers, way).passed for one in way}


def _ways(bet: BetExperiment) -> Iterator[Iterator[Variant]]:
    for _, variants in groupby(bet.variants(), key=lambda one: one.model_copy(update={"seed": 0})):
        yield variants


def _figures(
    asked: dict[tuple[str, str], list[Asked]],
) -> Iterator[tuple[Condition, dict[str, Estimate]]]:
    for place in PLACES:
        if (place.when, place.arm) not in asked:
            continue
        seeds = asked[place.when, place.arm]
        yield (
            place,
            {
                answer: estimate([one[place.wording, place.mode, answer] for one in seeds], SEED)
                for answer in ANSWERS
            },
        )
