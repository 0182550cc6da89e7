"""What the cells say of the claim, in one sentence for each measure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from the_experiment.base.words import counted
from the_experiment.data.cases import Guesses, Truths
from the_experiment.evaluation.guessing import Answered, p_of_guessing
from the_experiment.evaluation.paired import LEVEL, holm, sign_flip
from the_experiment.evaluation.predictions import Shares
from the_experiment.evaluation.scores import Count
from the_experiment.evaluation.statistics import listed
from the_experiment.evaluation.verdict import INTERPOLATION, fewest_cases
from the_experiment.experiments.cells import Cell
from the_experiment.experiments.declaration import Claim, Experiment
from the_experiment.experiments.results import (
    NOTHING,
    CellScore,
    Scores,
    all_aggregates,
    distinct_cases,
    measures_of,
)
from the_experiment.worlds import EXACT, find_world

COMPOSITE = "the best pattern for each part"


@dataclass(frozen=True)
class Pairs:
    """One model less another contestant, split by split, and how likely that is by chance.

    By chance over splits, or over cases, whichever is likelier: splits that ask the same cases,
    and seeds asked the same, are no more independent than a model's answers are.
    """

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
    guessing: float  # p of as many cases by guessing, corrected as those of the pairs

    @property
    def pairs(self) -> int:
        """How many pairs are compared one by one; see `judge` for what a pair is."""
        return len(self.rival.differences)

    @property
    def outcome(self) -> str:
        """What this says of the claim."""
        if self.left_out >= self.compared:
            return "too few cells fitted what was shown, so this cannot be judged"
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
        claim, unfit, about = self.claim, "", f"On {listed(self.ways)}, by {self.measure}"
        about += " where the rules are right" * self.aggregates
        if not self.new_cases:
            return f"{about}: {self.outcome}."
        if self.left_out:
            unfit = f", {self.left_out} left out where one of them did not fit"
        return (
            f"{about}, {claim.better} is right in {self.better.average} new cases and "
            f"{claim.than} in {self.than.average} (difference {self.rival}); of patterns, "
            f"{self.baseline} is beaten least, with {self.baseline_count.average} "
            f"(difference {self.pattern}); guessing does as well with p = {self.guessing:.2g} "
            f"({counted(self.pairs, 'pair')}, {counted(self.new_cases, 'different case')}{unfit}): "
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


def judge(experiment: Experiment, scores: Scores) -> list[Judgement]:
    """Compare the two models of the claim on the same splits and seeds, beside the baselines.

    One judgement for each measure, the claim's own first; their p are corrected together (Holm
    1979). A cell in which one of the two left a seen state wrong is left out: it says nothing on
    held-out states. A pair is the two shares of new cases on one split, each the mean over its
    seeds: models of several seeds asked about the same cases are not independent. Where a way of
    holding out has only one split, each seed is a pair. Two ways that hold out the same states are
    one. The same is tested case by case, each with its mean over all splits and seeds, and the
    larger p counts. A baseline's share is the mean over its tie-breaks. Where all are wrong, a coin
    is better than all, so that a model has to beat guessing as well, in the cases that it has right
    in most splits and seeds. Aggregates are compared in the cases in which a model's rules are
    right.
    """
    own = experiment.claim.measure
    order = sorted(scores, key=lambda name: (name != own, name == EXACT))
    found = [_judged(experiment, name, scores[name], len(order)) for name in order]
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


Place = tuple[str, str, int]  # hold-outs, split, seed
ByPlace = Mapping[Place, CellScore]


def _judged(
    experiment: Experiment, measure: str, scores: Mapping[Cell, CellScore], measures: int
) -> Judgement:
    """By one measure, with p that are not corrected yet."""
    claim = experiment.claim
    about = {cell: score for cell, score in scores.items() if cell.hold_outs in claim.on}
    fitted = _fitted(experiment, about)
    asked = {_place(cell): score for cell, score in about.items()}
    both = sorted(fitted[claim.better].keys() & fitted[claim.than].keys())
    better, than = (
        {place: fitted[name][place] for place in both} for name in (claim.better, claim.than)
    )
    pairs = _pairs_among(better, asked)
    patterns = _patterns(experiment, fitted, better)
    against = {name: _compared(better, of, pairs) for name, of in patterns.items()}
    least = max(sorted(against), key=lambda name: _beaten_little(against[name]))
    best = _count(better)
    return Judgement(
        claim=claim,
        measure=measure,
        measures=measures,
        aggregates=all_aggregates(find_world(experiment.world), measures_of(experiment)[measure]),
        ways=[way for way in claim.on if any(place[0] == way for place in asked)],
        new_cases=min(best.n, distinct_cases(better.values())),
        better=best,
        than=_count(than),
        baseline=least,
        baseline_count=_count(patterns[least]),
        compared=len(both),
        left_out=len(asked) - len(both),
        rival=_compared(better, than, pairs),
        pattern=against[least],
        guessing=_p_of_guessing(better, patterns[COMPOSITE]),
    )


def _place(cell: Cell) -> Place:
    return cell.hold_outs, cell.split, cell.seed


def _fitted(
    experiment: Experiment, scores: Mapping[Cell, CellScore]
) -> dict[str, dict[Place, CellScore]]:
    """For each contestant: its score in each place in which it fitted."""
    found: dict[str, dict[Place, CellScore]] = {name: {} for name in experiment.models}
    for cell, score in scores.items():
        if score.fitted:
            found.setdefault(cell.contestant, {})[_place(cell)] = score
    return found


def _patterns(
    experiment: Experiment, fitted: Mapping[str, ByPlace], better: ByPlace
) -> dict[str, ByPlace]:
    """The baselines that know only patterns, and all of them, where the better model is judged."""
    names = fitted.keys() - {*experiment.models, INTERPOLATION}
    found = {
        name: {
            place: replace(fitted[name][place], judged=one.judged) for place, one in better.items()
        }
        for name in names
    }
    return found | {COMPOSITE: _composite([found[name] for name in sorted(found)])}


def _composite(patterns: Sequence[ByPlace]) -> ByPlace:
    """Each part as the pattern has it that has most of it, over all places."""
    best = np.argmax([_right_by_part(one) for one in patterns], axis=0)
    found = {}
    for place, score in patterns[0].items():
        parts = [patterns[of][place].parts[:, part] for part, of in enumerate(best)]
        each = np.stack(parts, axis=1)
        found[place] = replace(score, parts=each, right=each.prod(axis=1))
    return found


def _right_by_part(scores: ByPlace) -> Shares:
    """(parts,): how many of the judged cases are right in each."""
    every = [score.parts[score.judged].sum(axis=0) for score in scores.values()]
    right: Shares = np.sum(every, axis=0)
    return right


def _pairs_among(both: ByPlace, asked: ByPlace) -> list[list[Place]]:
    """The cells that make one pair together: those of one split, or one alone; see `judge`."""
    splits: dict[str, set[frozenset[str]]] = {}
    for (way, _, _), score in asked.items():
        splits.setdefault(way, set()).add(score.states)
    several = frozenset().union(*(states for states in splits.values() if len(states) > 1))
    pairs: dict[tuple[frozenset[str], int | None], list[Place]] = {}
    for place, score in both.items():
        seed = None if score.states in several else place[2]
        pairs.setdefault((score.states, seed), []).append(place)
    return list(pairs.values())


def _compared(one: ByPlace, other: ByPlace, pairs: Sequence[Sequence[Place]]) -> Pairs:
    """One less the other on the cases that both are judged on; pairs without any are left out."""
    by_case: dict[Hashable, list[float]] = {}
    by_pair = []
    for places in pairs:
        found = [_differences(one[place], other[place]) for place in places]
        means = [float(np.mean([*cases.values()])) for cases in found if cases]
        by_pair += [float(np.mean(means))] if means else []
        for case, difference in (item for cases in found for item in cases.items()):
            by_case.setdefault(case, []).append(difference)
    return Pairs(by_pair, _p(by_pair, [float(np.mean(of)) for of in by_case.values()]))


def _p(by_pair: Sequence[float], by_case: Sequence[float]) -> float:
    """The larger of both; 1 where they go different ways."""
    if sum(by_pair) * sum(by_case) <= 0:
        return 1.0
    return max(sign_flip(np.array(differences), seed=0) for differences in (by_pair, by_case))


def _differences(one: CellScore, other: CellScore) -> dict[Hashable, float]:
    """By case that both are judged on."""
    differences = one.right - other.right
    both = one.judged & other.judged
    return {case: float(differences[row]) for row, case in enumerate(one.cases) if both[row]}


def _p_of_guessing(model: ByPlace, known: ByPlace) -> float:
    """Of having as many cases right in most places, guessed where patterns don't know better."""
    rows: dict[Hashable, list[tuple[Place, int]]] = {}
    for place, score in model.items():
        for row in np.flatnonzero(score.judged).tolist():
            rows.setdefault(score.cases[row], []).append((place, row))
    if not rows:
        return 1.0

    def mostly(of: Callable[[CellScore], Shares], scores: ByPlace) -> Truths:
        return np.stack(
            [
                np.mean([of(scores[place])[row] for place, row in places], axis=0) > 0.5
                for places in rows.values()
            ]
        )

    firsts = [places[0] for places in rows.values()]
    guesses = [model[place].guesses for place, _ in firsts]
    return p_of_guessing(
        Answered(mostly(lambda one: one.right, model), mostly(lambda one: one.parts, model)),
        Guesses(
            np.stack([one.guessed[row] for one, (_, row) in zip(guesses, firsts, strict=True)]),
            np.stack([one.answers[row] for one, (_, row) in zip(guesses, firsts, strict=True)]),
            guesses[0].values,
        ),
        mostly(lambda one: one.parts, known).astype(float),
    )


def _beaten_little(pairs: Pairs) -> tuple[bool, float, float]:
    """How little something is beaten: not at all, or with a large p, or by little."""
    unbeaten = pairs.difference <= 0
    return unbeaten, 0.0 if unbeaten else pairs.p, -pairs.difference


def _count(scores: ByPlace) -> Count:
    counts = (Count.of(score.right[None, score.judged]) for score in scores.values())
    return reduce(Count.__add__, counts, NOTHING)
