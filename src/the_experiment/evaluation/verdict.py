"""The verdict: did this model learn the rule, or a pattern, as far as this split can tell?

`docs/verdict.md` says what each word means, and which laws hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from the_experiment.data.cases import Truths
from the_experiment.evaluation.predictions import Shares, always, sometimes
from the_experiment.evaluation.statistics import LEVEL, holm, mcnemar

INTERPOLATION = "interpolation"  # the baseline that is a learner of simple rules, not of patterns


class VerdictKind(Enum):
    """What can be concluded."""

    DID_NOT_FIT = "did not fit"
    LOOKUP = "lookup-like"
    EXTRAPOLATES = "extrapolates another rule"
    CANNOT_TELL = "this split cannot tell"
    INTERPOLATES = "low-degree interpolation"
    BEYOND = "beyond interpolation"


@dataclass(frozen=True)
class Verdict:
    """A conclusion and the figures it rests on, in one sentence."""

    kind: VerdictKind
    because: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.because}"


class Discordant(NamedTuple):
    """Cases in which only the model, or only the baseline, is right."""

    model: int
    baseline: int


@dataclass(frozen=True)
class Pairing:
    """A model beside one baseline on the same new cases.

    `at_best` has the baseline right wherever one of its tie-breaks is, `at_worst` only where all
    of them are: a model has to beat the first to be better, and to lose to the second to be worse.
    """

    at_best: Discordant
    at_worst: Discordant

    @classmethod
    def of(cls, model: Truths, baseline: Shares) -> Pairing:
        """By case: whether the model is right, and in which share of its ties the baseline is."""
        return cls(
            *(
                Discordant(int((model & ~right).sum()), int((~model & right).sum()))
                for right in (sometimes(baseline), always(baseline))
            )
        )

    @property
    def better(self) -> float:
        """p of the model being better, whatever the ties (exact McNemar); 1 if it isn't."""
        return mcnemar(*self.at_best) if self.at_best.model > self.at_best.baseline else 1.0

    @property
    def worse(self) -> float:
        """p of the model being worse, whatever the ties; 1 if it isn't."""
        return mcnemar(*self.at_worst) if self.at_worst.model < self.at_worst.baseline else 1.0


class Difference(NamedTuple):
    """Which way a difference goes (1: the model is better, -1: worse), and its p."""

    direction: int
    p: float

    def with_p_at_least(self, p: float) -> Difference:
        """With this p, if it is larger and the model is better."""
        return Difference(self.direction, max(self.p, p)) if self.direction > 0 else self


def against_patterns(baselines: Sequence[Sequence[Pairing]]) -> Difference:
    """A model is better than patterns if it is better than each, and worse if worse than one.

    Each baseline has a pairing for every way to break ties that is looked at by itself; either has
    to hold in all of them. The p of the former is the largest over baselines, of the latter the
    smallest times their number.
    """
    better = max((max(way.better for way in ways) for ways in baselines), default=1.0)
    if better < 1:
        return Difference(1, better)
    worse = min((max(way.worse for way in ways) for ways in baselines), default=1.0)
    return Difference(-1, min(1.0, worse * len(baselines))) if worse < 1 else Difference(0, 1.0)


def in_every_seed(findings: Sequence[Difference]) -> Difference:
    """What all seeds agree on: the largest p if all go the same way, nothing otherwise."""
    directions = {finding.direction for finding in findings}
    if len(directions) != 1:
        return Difference(0, 1.0)
    return Difference(directions.pop(), max(finding.p for finding in findings))


@dataclass(frozen=True)
class Evidence:
    """How a model stands to patterns and to interpolation, on the same new cases."""

    patterns: Difference
    interpolation: Difference | None  # None where it can't be tried

    @classmethod
    def of(
        cls,
        pairings: Mapping[str, Sequence[Pairing]],
        patterns_together: float = 0.0,
        all_together: float = 0.0,
    ) -> Evidence:
        """From the pairings of one model with each baseline, by name and way to break ties.

        Who is better has to be better than a composite of baselines, too: of all patterns, and of
        those and interpolation. Their p come last; see `Composite`.
        """
        patterns = [one for name, one in pairings.items() if name != INTERPOLATION]
        simple = pairings.get(INTERPOLATION)
        return cls(
            against_patterns(patterns).with_p_at_least(patterns_together),
            against_patterns([simple]).with_p_at_least(all_together) if simple else None,
        )

    @classmethod
    def of_seeds(cls, seeds: Sequence[Evidence]) -> Evidence:
        """What holds in every seed of one model on one split."""
        simple = [one.interpolation for one in seeds if one.interpolation is not None]
        return cls(
            in_every_seed([one.patterns for one in seeds]),
            in_every_seed(simple) if simple else None,
        )


class Conclusion(NamedTuple):
    """A kind, and the p of both comparisons, corrected for all that were made."""

    kind: VerdictKind
    patterns: float
    interpolation: float


def conclusions(evidence: Sequence[Evidence]) -> list[Conclusion]:
    """The conclusion from each model and line that are judged beside each other.

    Both comparisons, with patterns and with interpolation, are corrected over all of them (Holm
    1979). A model has to be better in both to be beyond interpolation, so the two don't add up.

    >>> alone = [Pairing(Discordant(9, 0), Discordant(9, 0))]
    >>> conclusions([Evidence.of({"decision tree": alone, "interpolation": alone})])[0].kind
    <VerdictKind.BEYOND: 'beyond interpolation'>
    """
    patterns = holm([one.patterns.p for one in evidence])
    simple = holm([one.interpolation.p if one.interpolation else 1.0 for one in evidence])
    return [
        Conclusion(_kind(one, p_patterns, p_simple), p_patterns, p_simple)
        for one, p_patterns, p_simple in zip(evidence, patterns, simple, strict=True)
    ]


def _kind(evidence: Evidence, p_patterns: float, p_interpolation: float) -> VerdictKind:
    if p_patterns >= LEVEL:
        return VerdictKind.CANNOT_TELL
    if evidence.patterns.direction < 0:
        return VerdictKind.LOOKUP
    simple = evidence.interpolation
    if simple is None:
        return VerdictKind.CANNOT_TELL
    if p_interpolation >= LEVEL:
        return VerdictKind.INTERPOLATES
    return VerdictKind.BEYOND if simple.direction > 0 else VerdictKind.CANNOT_TELL


def fewest_cases(comparisons: int) -> int:
    """How many new cases it takes for a difference to be beyond chance among so many comparisons.

    A few less can do where others stand out by themselves, as Holm's correction counts those no
    more; never less than without any other comparison.

    >>> [fewest_cases(comparisons) for comparisons in (1, 2, 12)]
    [6, 7, 9]
    """
    return math.floor(math.log2(2 * comparisons / LEVEL)) + 1
