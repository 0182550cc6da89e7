"""What the cells say of the claim, in one sentence for each measure."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from the_experiment.base.words import counted
from the_experiment.evaluation.paired import LEVEL, holm
from the_experiment.evaluation.statistics import listed
from the_experiment.evaluation.verdict import INTERPOLATION, fewest_cases
from the_experiment.experiments.cells import Cell
from the_experiment.experiments.declaration import Claim, Experiment
from the_experiment.experiments.results import (
    NOTHING,
    Results,
    Tally,
    has_fitted,
    held_out_tally,
    measures_of,
    new_cases,
)
from the_experiment.worlds import EXACT, find_world


@dataclass(frozen=True)
class Pairs:
    """One model less another contestant, split by split, and how likely that is by chance."""

    differences: list[float]  # of mean shares
    p: float  # corrected for all measures that are judged

    @functools.cached_property
    def difference(self) -> float:
        """The mean of the pairs, which is what `p` is about; 0 where there is none."""
        return float(np.mean(self.differences)) if self.differences else 0.0

    @property
    def beyond_chance(self) -> bool:
        """Whether the two are told apart."""
        return self.p < LEVEL

    def __str__(self) -> str:
        return f"{self.difference:+.2f}, p = {self.p:.2g}"


@dataclass(frozen=True)
class Judgement:
    """The claim held against the cells it is about, by one measure."""

    claim: Claim
    measure: str
    measures: int  # that are judged beside each other
    ways: list[str]  # of holding out, that were run
    new_cases: int  # over all of them
    better: Tally  # of the model said to be better
    than: Tally
    baseline: str  # the one that knows only patterns and is beaten least
    baseline_tally: Tally
    compared: int  # cells in which both fitted
    left_out: int  # cells in which one of the two did not fit
    rival: Pairs  # with the model it is said to beat
    pattern: Pairs  # with the baseline

    @property
    def pairs(self) -> int:
        """How many pairs are compared one by one; see `judge` for what a pair is."""
        return len(self.rival.differences)

    @property
    def outcome(self) -> str:
        """What this says of the claim."""
        if self.left_out >= self.compared:
            return "too few cells fitted what was shown, so this cannot be judged"
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
        if self.pattern.difference <= 0:
            return "the two differ as claimed, but a pattern does as well, so no rule is shown"
        if not self.pattern.beyond_chance:
            return "the two differ as claimed, but a pattern may do as well, so no rule is shown"
        return "this counts for the claim"

    @property
    def sentence(self) -> str:
        """The figures and the outcome."""
        claim, unfit = self.claim, ""
        if self.left_out:
            unfit = f", {self.left_out} left out where one of them did not fit"
        return (
            f"On {listed(self.ways)}, by {self.measure}, {claim.better} is right on {self.better} "
            f"held-out states, {claim.than} on {self.than} (difference {self.rival}) and "
            f"{self.baseline}, the pattern that it beats least, on {self.baseline_tally} "
            f"(difference {self.pattern}; {counted(self.pairs, 'pair')}{unfit}): {self.outcome}."
        )

    def as_json(self) -> dict[str, Any]:
        """The judgement as plain values."""
        return {
            "measure": self.measure,
            "better": asdict(self.better),
            "than": asdict(self.than),
            "baseline": {self.baseline: asdict(self.baseline_tally)},
            "pairs": self.pairs,
            "left_out": self.left_out,
            "against_than": {"difference": self.rival.difference, "p": self.rival.p},
            "against_baseline": {"difference": self.pattern.difference, "p": self.pattern.p},
            "outcome": self.outcome,
            "sentence": self.sentence,
        }


def judge(experiment: Experiment, results: Results) -> list[Judgement]:
    """Compare the two models of the claim on the same splits and seeds, beside the baselines.

    One judgement for each measure, the claim's own first; their p are corrected together (Holm
    1979). A cell in which one of the two left a seen state wrong is left out: it says nothing on
    held-out states. A pair is the two shares on one split, each the mean over its seeds: models of
    several seeds asked about the same states are not independent. Where a way of holding out has
    only one split, each seed is a pair. A baseline's share is the mean over its tie-breaks.
    """
    measures = measures_of(experiment)
    own = experiment.claim.measure
    order = sorted(measures, key=lambda name: (name != own, name == EXACT))
    found = [_judged(experiment, results, name, measures[name], len(order)) for name in order]
    rivals = holm([one.rival.p for one in found])
    patterns = holm([one.pattern.p for one in found])
    return [
        replace(one, rival=replace(one.rival, p=rival), pattern=replace(one.pattern, p=pattern))
        for one, rival, pattern in zip(found, rivals, patterns, strict=True)
    ]


def _judged(
    experiment: Experiment, results: Results, measure: str, keys: list[str], measures: int
) -> Judgement:
    """By one measure, with p that are not corrected yet."""
    claim = experiment.claim
    tallies = _fitted_tallies(experiment, results, keys)
    asked = {_place(cell) for cell in results if cell.hold_outs in claim.on}
    both = sorted(tallies[claim.better].keys() & tallies[claim.than].keys())
    totals = {
        name: reduce(Tally.__add__, (of[place] for place in both if place in of), NOTHING)
        for name, of in tallies.items()
    }
    pairs = _pairs_among(both, asked)

    def less(other: str) -> Pairs:
        differences = [
            _mean_share(tallies[claim.better], pair) - _mean_share(tallies[other], pair)
            for pair in pairs
        ]
        return Pairs(differences, sign_flip_p(differences))

    patterns = {*tallies} - {*experiment.models, INTERPOLATION}
    # The one that is beaten least: not at all, or with the largest p.
    baseline = max(
        sorted(patterns),
        key=lambda name: (less(name).difference <= 0, less(name).p, totals[name].mean),
    )
    return Judgement(
        claim=claim,
        measure=measure,
        measures=measures,
        ways=[way for way in claim.on if any(place[0] == way for place in asked)],
        new_cases=_new_cases(experiment, results, keys),
        better=totals[claim.better],
        than=totals[claim.than],
        baseline=baseline,
        baseline_tally=totals[baseline],
        compared=len(both),
        left_out=len(asked) - len(both),
        rival=less(claim.than),
        pattern=less(baseline),
    )


Place = tuple[str, str, int]  # hold-outs, split, seed


def _place(cell: Cell) -> Place:
    return cell.hold_outs, cell.split, cell.seed


def _pairs_among(both: Sequence[Place], asked: Collection[Place]) -> list[list[Place]]:
    """The cells that make one pair together: those of one split, or one alone; see `judge`."""
    splits: dict[str, set[str]] = {}
    for way, split, _ in asked:
        splits.setdefault(way, set()).add(split)
    pairs: dict[tuple[str, str | int], list[Place]] = {}
    for way, split, seed in both:
        unit = split if len(splits[way]) > 1 else seed
        pairs.setdefault((way, unit), []).append((way, split, seed))
    return list(pairs.values())


def _new_cases(experiment: Experiment, results: Results, keys: Sequence[str]) -> int:
    """The new cases that the claim is about, over all ways of holding out."""
    world, claim = find_world(experiment.world), experiment.claim
    cells = [cell for cell in results if cell.contestant == claim.better]
    by_way = {way: [cell for cell in cells if cell.hold_outs == way] for way in claim.on}
    return sum(new_cases(world, of, keys) for of in by_way.values())


def _mean_share(tallies: Mapping[Place, Tally], places: Sequence[Place]) -> float:
    return float(np.mean([tallies[place].share for place in places]))


def _fitted_tallies(
    experiment: Experiment, results: Results, keys: Sequence[str]
) -> dict[str, dict[Place, Tally]]:
    """For each contestant: its tally in each cell of the claim in which it fitted."""
    tallies: dict[str, dict[Place, Tally]] = {name: {} for name in experiment.models}
    for cell, result in results.items():
        judged = cell.hold_outs in experiment.claim.on and result["held_out"] is not None
        if judged and has_fitted(cell, result):
            tally = held_out_tally(result, keys)
            tallies.setdefault(cell.contestant, {})[_place(cell)] = tally
    return tallies


def sign_flip_p(differences: list[float]) -> float:
    """Two-sided p of the mean of paired differences under sign flips; exact for few pairs.

    >>> sign_flip_p([1, 1, 1, 1, 1]), sign_flip_p([0.0, 0.0])
    (0.0625, 1.0)
    """
    from scipy.stats import permutation_test

    values = np.array(differences, dtype=float)
    if len(values) < 2 or not values.any():
        return 1.0  # both signs of a single difference are as extreme
    test = permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)
