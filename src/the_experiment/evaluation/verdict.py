"""The verdict: did this model learn the rule, or a pattern, as far as this split can tell?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from the_experiment.evaluation.statistics import Rate, listed

INTERPOLATION = "interpolation"  # the baseline that is a learner of simple rules, not of patterns


class Kind(Enum):
    """What can be concluded."""

    DID_NOT_FIT = "did not fit"
    CANNOT_TELL = "this split cannot tell"
    LOOKUP = "lookup-like"
    INTERPOLATES = "low-degree interpolation"
    BEYOND = "beyond interpolation"


@dataclass(frozen=True)
class Verdict:
    """A conclusion and the figures it rests on, in one sentence."""

    kind: Kind
    because: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.because}"


def solved_by(baselines: Mapping[str, Rate]) -> list[str]:
    """The patterns that are right on every held-out state; with one, the split can't tell."""
    return [name for name, rate in _patterns(baselines).items() if rate.n and rate.k == rate.n]


def verdict(seen: Rate, held_out: Rate, baselines: Mapping[str, Rate]) -> Verdict:
    """Judge a model by exact match on seen and held-out states, beside baselines on the same.

    It has to beat the best baseline that only knows patterns (all but interpolation), and then
    interpolation, by more than chance: its 95% interval has to lie above theirs. A model whose
    interval lies below that of the best pattern has not even learnt that.

    >>> nothing = {"decision tree": Rate(0, 8), "interpolation": Rate(0, 8)}
    >>> verdict(Rate(24, 24), Rate(8, 8), nothing).kind.value
    'beyond interpolation'
    >>> verdict(Rate(31, 31), Rate(1, 1), {"decision tree": Rate(1, 1)}).kind.value
    'this split cannot tell'
    """
    if seen.k < seen.n:
        return Verdict(Kind.DID_NOT_FIT, f"only {seen.k} of {seen.n} seen states are exact")
    if not held_out.n:
        return Verdict(Kind.CANNOT_TELL, "nothing was held out")
    best = max(_patterns(baselines).values(), key=lambda rate: rate.k, default=Rate(0, held_out.n))
    figures = f"{held_out} of the held-out states against {best.k}/{best.n} for the best pattern"
    if held_out.high < best.low:
        return Verdict(Kind.LOOKUP, figures)
    solving = solved_by(baselines)
    if solving:
        gets = "gets" if len(solving) == 1 else "get"
        return Verdict(Kind.CANNOT_TELL, f"{listed(solving)} {gets} all of it right without a rule")
    if held_out.low > best.high:
        return _better_than_patterns(held_out, baselines.get(INTERPOLATION), figures)
    if held_out.k <= best.k:
        return Verdict(Kind.LOOKUP, figures)
    return Verdict(Kind.CANNOT_TELL, f"{figures}: too few states to call it better")


def _patterns(baselines: Mapping[str, Rate]) -> dict[str, Rate]:
    return {name: rate for name, rate in baselines.items() if name != INTERPOLATION}


def _better_than_patterns(held_out: Rate, simple: Rate | None, figures: str) -> Verdict:
    if simple is None:
        return Verdict(Kind.CANNOT_TELL, f"{figures}, but interpolation can't be tried here")
    because = f"{figures}; the simplest polynomial that fits what was seen gets {simple.k}"
    if held_out.low > simple.high:
        return Verdict(Kind.BEYOND, because)
    if simple.k >= held_out.k:
        return Verdict(Kind.INTERPOLATES, because)
    return Verdict(Kind.CANNOT_TELL, f"{because}: too few states to call it better")
