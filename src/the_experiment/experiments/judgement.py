"""What the cells say of the claim, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from the_experiment.evaluation.statistics import Rate, listed
from the_experiment.evaluation.verdict import INTERPOLATION
from the_experiment.experiments.cells import Cell
from the_experiment.experiments.declaration import Experiment
from the_experiment.experiments.results import Results, held_out_rate, measures_of

CHANCE = 0.05  # a difference less likely than this by chance counts
FEWEST = 6  # pairs: sign flips of n pairs give no p under 2 ** (1 - n), so fewer decide nothing


@dataclass(frozen=True)
class Judgement:
    """The claim held against the cells it is about."""

    better: Rate  # of the model said to be better
    than: Rate
    baseline: str  # the best one that knows only patterns
    baseline_rate: Rate
    pairs: int  # cells compared one by one
    left_out: int  # cells in which one of the two did not fit
    p_value: float
    outcome: str  # "counts for the claim", …
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """The judgement as plain values."""
        return {
            "better": [self.better.k, self.better.n],
            "than": [self.than.k, self.than.n],
            "baseline": {self.baseline: [self.baseline_rate.k, self.baseline_rate.n]},
            "pairs": self.pairs,
            "left_out": self.left_out,
            "p_value": self.p_value,
            "outcome": self.outcome,
            "sentence": self.sentence,
        }


def judge(experiment: Experiment, results: Results) -> Judgement:
    """Compare the two models of the claim on the same splits and seeds, beside the baselines.

    A pair in which one of them left a seen state wrong is left out: it says nothing on held-out
    states.
    """
    claim = experiment.claim
    rates = _fitted_rates(experiment, results)
    asked = {_place(cell) for cell in results if cell.hold_outs in claim.on}
    ways = [way for way in claim.on if any(place[0] == way for place in asked)]  # not all if quick
    pairs = sorted(rates[claim.better].keys() & rates[claim.than].keys())
    totals = {
        name: _total([of[pair] for pair in pairs if pair in of]) for name, of in rates.items()
    }
    better, than = totals[claim.better], totals[claim.than]
    patterns = {*rates} - {*experiment.models, INTERPOLATION}
    baseline = max(sorted(patterns), key=lambda name: totals[name].k)
    p_value = sign_flip_p(
        [rates[claim.better][pair].share - rates[claim.than][pair].share for pair in pairs]
    )
    left_out = len(asked) - len(pairs)
    outcome = _outcome(better, than, totals[baseline], p_value, len(pairs), left_out)
    unfit = f", {left_out} left out where one of them did not fit" if left_out else ""
    sentence = (
        f"On {listed(ways)}, {claim.better} is right on {_told(better)} held-out states and "
        f"{claim.than} on {_told(than)} "
        f"({claim.measure}; {_pairs(len(pairs))}{unfit}; p = {p_value:.2g}), while the best "
        f"baseline without rules, {baseline}, is right on {_told(totals[baseline])}: {outcome}."
    )
    return Judgement(
        better, than, baseline, totals[baseline], len(pairs), left_out, p_value, outcome, sentence
    )


def _outcome(
    better: Rate, than: Rate, baseline: Rate, p_value: float, pairs: int, left_out: int
) -> str:
    if left_out >= pairs:
        return "too few cells fitted what was shown, so this cannot be judged"
    if pairs < FEWEST:
        few = f"only {_pairs(pairs)}, and fewer than {FEWEST}"
        return f"{few} cannot tell chance from more: not judged"
    if p_value >= CHANCE:
        return "the two cannot be told apart, so this does not support the claim"
    if better.k < than.k:
        return "this counts against the claim"
    if baseline.k >= better.k:
        return "the two differ as claimed, but a pattern does as well, so no rule is shown"
    return "this counts for the claim"


Place = tuple[str, str, int]  # hold-outs, split, seed


def _place(cell: Cell) -> Place:
    return cell.hold_outs, cell.split, cell.seed


def _fitted_rates(experiment: Experiment, results: Results) -> dict[str, dict[Place, Rate]]:
    """For each contestant: its rate in each cell of the claim in which it fitted."""
    keys = measures_of(experiment)[experiment.claim.measure]
    rates: dict[str, dict[Place, Rate]] = {name: {} for name in experiment.models}
    for cell, result in results.items():
        judged = cell.hold_outs in experiment.claim.on and result["held_out"] is not None
        if judged and result["fitted"] is not False:
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


def _pairs(count: int) -> str:
    return f"{count} pair{'' if count == 1 else 's'}"


def _total(rates: list[Rate]) -> Rate:
    return Rate(sum(rate.k for rate in rates), sum(rate.n for rate in rates))


def _told(rate: Rate) -> str:
    return f"{rate.k} of {rate.n}"
