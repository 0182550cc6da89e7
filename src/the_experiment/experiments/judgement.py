"""What the cells say of the claim, in one sentence."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from the_experiment.base.words import counted
from the_experiment.evaluation.statistics import Rate, listed
from the_experiment.evaluation.verdict import INTERPOLATION
from the_experiment.experiments.cells import Cell
from the_experiment.experiments.declaration import Claim, Experiment
from the_experiment.experiments.results import Results, has_fitted, held_out_rate, measures_of

CHANCE = 0.05  # a difference less likely than this by chance counts
FEWEST = 6  # pairs: sign flips of n pairs give no p under 2 ** (1 - n), so fewer decide nothing


@dataclass(frozen=True)
class Judgement:
    """The claim held against the cells it is about."""

    claim: Claim
    ways: list[str]  # of holding out, that were run
    better: Rate  # of the model said to be better
    than: Rate
    baseline: str  # the best one that knows only patterns
    baseline_rate: Rate
    compared: int  # cells in which both fitted
    left_out: int  # cells in which one of the two did not fit
    differences: list[float]  # better's share less than's, one for each independent pair

    @property
    def pairs(self) -> int:
        """How many pairs are compared one by one; see `judge` for what a pair is."""
        return len(self.differences)

    @functools.cached_property
    def difference(self) -> float:
        """The mean of the pairs, which is what `p_value` is about; 0 where there is none."""
        return float(np.mean(self.differences)) if self.differences else 0.0

    @functools.cached_property
    def p_value(self) -> float:
        """How likely a difference as large is by chance."""
        return sign_flip_p(self.differences)

    @property
    def outcome(self) -> str:
        """What this says of the claim."""
        if self.left_out >= self.compared:
            return "too few cells fitted what was shown, so this cannot be judged"
        if self.pairs < FEWEST:
            few = f"only {counted(self.pairs, 'pair')}, and fewer than {FEWEST}"
            return f"{few} cannot tell chance from more: not judged"
        if self.p_value >= CHANCE:
            return "the two cannot be told apart, so this does not support the claim"
        if self.difference <= 0:
            return "this counts against the claim"
        if self.baseline_rate.k >= self.better.k:
            return "the two differ as claimed, but a pattern does as well, so no rule is shown"
        return "this counts for the claim"

    @property
    def sentence(self) -> str:
        """The figures and the outcome."""
        claim, unfit = self.claim, ""
        if self.left_out:
            unfit = f", {self.left_out} left out where one of them did not fit"
        return (
            f"On {listed(self.ways)}, {claim.better} is right on {_told(self.better)} held-out "
            f"states and {claim.than} on {_told(self.than)} ({claim.measure}; "
            f"{counted(self.pairs, 'pair')}{unfit}; mean difference {self.difference:+.2f}, "
            f"p = {self.p_value:.2g}), while the best baseline that knows only patterns, "
            f"{self.baseline}, is right on {_told(self.baseline_rate)}: {self.outcome}."
        )

    def as_json(self) -> dict[str, Any]:
        """The judgement as plain values."""
        return {
            "better": [self.better.k, self.better.n],
            "than": [self.than.k, self.than.n],
            "baseline": {self.baseline: [self.baseline_rate.k, self.baseline_rate.n]},
            "pairs": self.pairs,
            "left_out": self.left_out,
            "difference": self.difference,
            "p_value": self.p_value,
            "outcome": self.outcome,
            "sentence": self.sentence,
        }


def judge(experiment: Experiment, results: Results) -> Judgement:
    """Compare the two models of the claim on the same splits and seeds, beside the baselines.

    A cell in which one of them left a seen state wrong is left out: it says nothing on held-out
    states. A pair is the two models' shares on one split, each the mean over its seeds: models of
    several seeds asked about the same states are not independent. Where a way of holding out has
    only one split, each seed is a pair.
    """
    claim = experiment.claim
    rates = _fitted_rates(experiment, results)
    asked = {_place(cell) for cell in results if cell.hold_outs in claim.on}
    both = sorted(rates[claim.better].keys() & rates[claim.than].keys())
    totals = {
        name: _total([of[place] for place in both if place in of]) for name, of in rates.items()
    }
    patterns = {*rates} - {*experiment.models, INTERPOLATION}
    baseline = max(sorted(patterns), key=lambda name: totals[name].k)
    return Judgement(
        claim=claim,
        ways=[way for way in claim.on if any(place[0] == way for place in asked)],
        better=totals[claim.better],
        than=totals[claim.than],
        baseline=baseline,
        baseline_rate=totals[baseline],
        compared=len(both),
        left_out=len(asked) - len(both),
        differences=[
            _mean_share(rates[claim.better], pair) - _mean_share(rates[claim.than], pair)
            for pair in _pairs_among(both, asked)
        ],
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


def _mean_share(rates: Mapping[Place, Rate], places: Sequence[Place]) -> float:
    return float(np.mean([rates[place].share for place in places]))


def _fitted_rates(experiment: Experiment, results: Results) -> dict[str, dict[Place, Rate]]:
    """For each contestant: its rate in each cell of the claim in which it fitted."""
    keys = measures_of(experiment)[experiment.claim.measure]
    rates: dict[str, dict[Place, Rate]] = {name: {} for name in experiment.models}
    for cell, result in results.items():
        judged = cell.hold_outs in experiment.claim.on and result["held_out"] is not None
        if judged and has_fitted(cell, result):
            rates.setdefault(cell.contestant, {})[_place(cell)] = held_out_rate(result, keys)
    return rates


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


def _total(rates: list[Rate]) -> Rate:
    return Rate(sum(rate.k for rate in rates), sum(rate.n for rate in rates))


def _told(rate: Rate) -> str:
    return f"{rate.k} of {rate.n}"
