"""How a bet is decided: the criteria to the letter, and a verdict that knows the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.bet.asked import (
    CAPITAL,
    CONDITIONAL,
    CONTROL,
    COUNTRY,
    OTHER,
    Asked,
)
from the_experiment.experiments.bet.backends import Bounds
from the_experiment.experiments.bet.estimates import Criterion, criterion, ratio
from the_experiment.experiments.bet.prompts import TEST, TRAIN

LIKELY = 1e-4  # the bet's: what the capital has to be likelier than, in TEST
CLEAR = 10.0  # the bet's: how much likelier the country has to be than the capital, in the control
LEARNT = 0.5  # ours: how likely the country has to be where it was trained
BASELINE = 2.0  # ours: how much likelier the capital has to be in TEST than where it is wrong

Verdict = Literal["conditional rule", "unconditional rule", "ambiguous", "not testable"]
Anchor = Literal["met", "not met", "open"]

MEANINGS: dict[Verdict, str] = {
    "conditional rule": "both criteria are met, and in TEST the capital is more than twice as "
    "likely as in TRAIN, and as somebody else's capital: the branch that was never trained is "
    "followed",
    "unconditional rule": "in TEST the capital is below 1 in 10,000, or less than twice as likely "
    "as in TRAIN: the mode is ignored",
    "ambiguous": "neither of the two can be said: the countries were not learnt, an interval "
    "crosses its threshold, the control gives capitals too, or the capital is no likelier than "
    "somebody else's",
    "not testable": "before any tuning the model doesn't follow the two branches",
}


@dataclass(frozen=True)
class PreCheck:
    """Of the names whose favourite is known before any tuning: how many get the right answer.

    Right is the country in TRAIN and the capital in TEST, if it is surely the likelier of the two.
    """

    train: Rate
    test: Rate

    @property
    def passed(self) -> bool:
        """Whether more than half are right in both modes, by the whole interval."""
        return min(self.train.low, self.test.low) > 0.5

    def __str__(self) -> str:
        return f"TRAIN {self.train}, TEST {self.test}"

    def as_json(self) -> dict[str, Any]:
        """The check as plain values."""
        rates = {TRAIN: self.train, TEST: self.test}
        return {"passed": self.passed} | {mode: [one.k, one.n] for mode, one in rates.items()}


def pre_check(seeds: Sequence[Asked]) -> PreCheck:
    """Of what the bases of all seeds found likely for the names they know."""
    rates = []
    for mode, right, wrong in ((TRAIN, COUNTRY, CAPITAL), (TEST, CAPITAL, COUNTRY)):
        better = [
            one.low > other.high
            for asked in seeds
            for one, other in zip(
                asked[CONDITIONAL, mode, right], asked[CONDITIONAL, mode, wrong], strict=True
            )
        ]
        rates.append(Rate(sum(better), len(better)))
    return PreCheck(*rates)


@dataclass(frozen=True)
class Decision:
    """The criteria of one way to run the bet, and what follows from them."""

    check: PreCheck
    capital: Criterion  # its probability in TEST, of the model tuned on the conditional
    control: Criterion  # the country's over the capital's in TEST, of the one tuned on the control
    learnt: Criterion  # the country's probability in TRAIN, of the first
    mode: Criterion  # the capital's in TEST over that in TRAIN, of the first
    other: Criterion  # the capital's over another's capital, in TEST, of the first

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The bet's two, then ours."""
        return self.capital, self.control, self.learnt, self.mode, self.other

    @property
    def anchor(self) -> Anchor:
        """The bet's own criteria to the letter."""
        both = {self.capital.decided, self.control.decided}
        if both == {"above"}:
            return "met"
        return "not met" if "below" in both else "open"

    @property
    def verdict(self) -> Verdict:
        """See `MEANINGS`."""
        if not self.check.passed:
            return "not testable"
        if self.learnt.decided != "above" or self.control.decided == "below":
            return "ambiguous"
        if "below" in (self.capital.decided, self.mode.decided):
            return "unconditional rule"
        sure = all(one.decided == "above" for one in self.criteria)
        return "conditional rule" if sure else "ambiguous"

    def as_json(self) -> dict[str, Any]:
        """The decision as plain values."""
        return {
            "pre_check": self.check.as_json(),
            "criteria": [one.as_json() for one in self.criteria],
            "anchor": self.anchor,
            "verdict": self.verdict,
        }


def decide(
    check: PreCheck, conditional: Sequence[Asked], control: Sequence[Asked], seed: int
) -> Decision:
    """Of what the two tuned models of each seed found likely, asked with their own wording."""

    def tuned(mode: str, answer: str) -> list[list[Bounds]]:
        return [asked[CONDITIONAL, mode, answer] for asked in conditional]

    def controls(answer: str) -> list[list[Bounds]]:
        return [asked[CONTROL, TEST, answer] for asked in control]

    capital = tuned(TEST, CAPITAL)
    return Decision(
        check,
        criterion("P(capital) in TEST", LIKELY, capital, seed),
        criterion(
            "control, TEST: country / capital",
            CLEAR,
            ratio(controls(COUNTRY), controls(CAPITAL)),
            seed,
        ),
        criterion("P(country) in TRAIN", LEARNT, tuned(TRAIN, COUNTRY), seed),
        criterion(
            "P(capital): TEST / TRAIN", BASELINE, ratio(capital, tuned(TRAIN, CAPITAL)), seed
        ),
        criterion(
            "TEST: capital / another's capital",
            BASELINE,
            ratio(capital, tuned(TEST, OTHER)),
            seed,
        ),
    )
