"""What the cells say of the claim, in one sentence for each measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

from the_experiment.base.words import counted
from the_experiment.evaluation.scores import Count
from the_experiment.evaluation.statistics import LEVEL, holm, join_names
from the_experiment.evaluation.verdict import INTERPOLATION, fewest_cases
from the_experiment.experiments.splits.cells import Fit
from the_experiment.experiments.splits.comparison import (
    COMPOSITE,
    ByPlace,
    Pairs,
    Place,
    compared,
    composite,
    p_of_guessing,
    pairs_among,
)
from the_experiment.experiments.splits.config import Claim, SplitsExperiment
from the_experiment.experiments.splits.results import (
    NOTHING,
    FitScore,
    Scores,
    all_aggregates,
    distinct_cases,
)
from the_experiment.worlds import EXACT, find_world


@dataclass(frozen=True)
class Judgement:
    """The claim held against the cells it is about, by one measure."""

    claim: Claim
    measure: str
    measures: int  # that are judged beside each other
    aggregates: bool  # whether it has no rule in it, so that it is judged where the rules are right
    ways: list[str]  # of holding out, that were run
    new_cases: int  # distinct ones, over all of them
    better: Count  # of the model said to be better
    than: Count
    baseline: str  # the one that knows only patterns that is beaten least
    baseline_count: Count
    compared: int  # cells in which both fitted
    left_out: int  # cells in which one of the two did not fit
    rival: Pairs  # with the model it is said to beat
    pattern: Pairs  # with the baseline
    guessing: float  # p of being better than guessing, corrected as those of the pairs

    @property
    def pairs(self) -> int:
        """How many pairs are compared one by one; see `judge_claim` for what a pair is."""
        return len(self.rival.differences)

    @property
    def outcome(self) -> str:
        """What this says of the claim."""
        if self.left_out >= self.compared:
            return "too few models fitted their training data, so this cannot be judged"
        if not self.new_cases:
            return "there is no new case to judge by"
        fewest = fewest_cases(self.measures)  # sign flips of n pairs give no p under 2 ** (1 - n)
        if min(self.pairs, self.new_cases) < fewest:
            pairs = self.pairs < fewest
            n = counted(self.pairs, "pair") if pairs else counted(self.new_cases, "new case")
            few = f"only {n}, and fewer than {fewest}"
            return f"{few} cannot tell chance from more: not judged"
        if not self.rival.beyond_chance:
            return "the two cannot be told apart, so this does not support the claim"
        if self.rival.difference <= 0:
            return "this counts against the claim"
        as_well = f"the two differ as claimed, but {self.baseline} {{}} as well: no rule is shown"
        if self.pattern.difference <= 0:
            return as_well.format("does")
        if not self.pattern.beyond_chance:
            return as_well.format("may do")
        if self.guessing >= LEVEL:
            return "the two differ as claimed, but guessing may do as well: no rule is shown"
        return "this counts for the claim"

    @property
    def sentence(self) -> str:
        """The figures and the outcome."""
        claim, unfit, about = self.claim, "", f"On {join_names(self.ways)}, by {self.measure}"
        about += " where the rules are right" * self.aggregates
        if not self.new_cases:
            return f"{about}: {self.outcome}."
        if self.left_out:
            unfit = f", {self.left_out} left out where one of them did not fit"
        return (
            f"{about}, {claim.better} is right in {self.better.average} new cases and "
            f"{claim.than} in {self.than.average} (difference {self.rival}); of patterns, "
            f"{self.baseline} is beaten least, with {self.baseline_count.average} "
            f"(difference {self.pattern}); against guessing p = {self.guessing:.2g} "
            f"({counted(self.pairs, 'pair')}, {counted(self.new_cases, 'distinct case')}{unfit}): "
            f"{self.outcome}."
        )

    def as_json(self) -> dict[str, Any]:
        """The judgement as plain values."""
        return {
            "measure": self.measure,
            "better": asdict(self.better),
            "than": asdict(self.than),
            "baseline": {self.baseline: asdict(self.baseline_count)},
            "pairs": self.pairs,
            "new_cases": self.new_cases,
            "left_out": self.left_out,
            "against_than": {"difference": self.rival.difference, "p": self.rival.p},
            "against_baseline": {"difference": self.pattern.difference, "p": self.pattern.p},
            "guessing": {"p": self.guessing},
            "outcome": self.outcome,
            "sentence": self.sentence,
        }


def judge_claim(experiment: SplitsExperiment, scores: Scores) -> list[Judgement]:
    """Compare the two models of the claim on the same splits and seeds, beside the baselines.

    Without a claim nothing is judged. One judgement for each measure, the claim's own first;
    their p are corrected together (Holm 1979). A cell in which one of the two left a seen state
    wrong is left out: it says nothing on held-out states. A pair is the two shares of new cases
    on one split, each the mean over its seeds: models of several seeds asked about the same
    cases are not independent. Where a way of holding out has only one split, each seed is a
    pair. Two ways that hold out the same states are one. The same is tested case by case, each
    with its mean over all splits and seeds, and the larger p counts. A baseline's share is the
    mean over its tie-breaks. Where all are wrong, a coin is better than all, so that a model
    has to beat guessing as well. Aggregates are compared in the cases in which a model's rules
    are right.
    """
    claim = experiment.claim
    if claim is None:
        return []
    own = claim.measure
    order = sorted(scores, key=lambda name: (name != own, name == EXACT))
    found = [_judged(experiment, claim, name, scores[name], len(order)) for name in order]
    rivals = holm([one.rival.p for one in found])
    patterns = holm([one.pattern.p for one in found])
    guessing = holm([one.guessing for one in found])
    return [
        replace(
            one,
            rival=replace(one.rival, p=p_rival),
            pattern=replace(one.pattern, p=p_pattern),
            guessing=p_guessing,
        )
        for one, p_rival, p_pattern, p_guessing in zip(
            found, rivals, patterns, guessing, strict=True
        )
    ]


def _judged(
    experiment: SplitsExperiment,
    claim: Claim,
    measure: str,
    scores: Mapping[Fit, FitScore],
    measures: int,
) -> Judgement:
    """By one measure, with p that are not corrected yet."""
    about = {fit: score for fit, score in scores.items() if fit.hold_outs in claim.on}
    fitted = _fitted(experiment, about)
    asked = {_place(fit): score for fit, score in about.items()}
    both = sorted(fitted[claim.better].keys() & fitted[claim.than].keys())
    better, than = (
        {place: fitted[name][place] for place in both} for name in (claim.better, claim.than)
    )
    pairs = pairs_among(better, asked)
    patterns = _patterns(experiment, fitted, better)
    against = {name: compared(better, of, pairs) for name, of in patterns.items()}
    least = max(sorted(against), key=lambda name: _beaten_little(against[name]))
    best = _count(better)
    return Judgement(
        claim=claim,
        measure=measure,
        measures=measures,
        aggregates=all_aggregates(find_world(experiment.world), experiment.all_measures[measure]),
        ways=[way for way in claim.on if any(place[0] == way for place in asked)],
        new_cases=distinct_cases([score.only_judged for score in better.values()]),
        better=best,
        than=_count(than),
        baseline=least,
        baseline_count=_count(patterns[least]),
        compared=len(both),
        left_out=len(asked) - len(both),
        rival=compared(better, than, pairs),
        pattern=against[least],
        guessing=p_of_guessing(better, patterns[COMPOSITE], pairs),
    )


def _place(fit: Fit) -> Place:
    return fit.hold_outs, fit.split, fit.seed


def _fitted(
    experiment: SplitsExperiment, scores: Mapping[Fit, FitScore]
) -> dict[str, dict[Place, FitScore]]:
    """For each contestant: its score in each place in which it fitted."""
    found: dict[str, dict[Place, FitScore]] = {name: {} for name in experiment.models}
    for fit, score in scores.items():
        if score.fitted:
            found.setdefault(fit.contestant, {})[_place(fit)] = score
    return found


def _patterns(
    experiment: SplitsExperiment, fitted: Mapping[str, ByPlace], better: ByPlace
) -> dict[str, ByPlace]:
    """The baselines that know only patterns, and all of them, where the better model is judged."""
    names = fitted.keys() - {*experiment.models, INTERPOLATION}
    found = {
        name: {
            place: replace(fitted[name][place], judged=one.judged) for place, one in better.items()
        }
        for name in names
    }
    return found | {COMPOSITE: composite([found[name] for name in sorted(found)])}


def _beaten_little(pairs: Pairs) -> tuple[bool, float, float]:
    """How little something is beaten: not at all, or with a large p, or by little."""
    unbeaten = pairs.difference <= 0
    return unbeaten, 0.0 if unbeaten else pairs.p, -pairs.difference


def _count(scores: ByPlace) -> Count:
    counts = (Count.of(score.right[None, score.judged]) for score in scores.values())
    return reduce(Count.__add__, counts, NOTHING)
