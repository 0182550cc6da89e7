"""From cells to a table: each contestant on each way of holding out, seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.data.cases import Cases, Guesses, Truths, cases_of, whole_cases
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import seen_states
from the_experiment.evaluation.contestants import sampled
from the_experiment.evaluation.predictions import Shares, always
from the_experiment.evaluation.scores import Count
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.splits.cells import Fit
from the_experiment.experiments.splits.config import SplitsExperiment
from the_experiment.worlds import EXACT, World, find_world

Results = Mapping[Fit, Mapping[str, Any]]
States = Sequence[Mapping[str, float]]  # by part, how right each held-out state is
NOTHING = Count(0, 0, 0.0, 0)


@dataclass(frozen=True)
class FitScore:
    """One cell by one measure, on the new cases of its split."""

    states: frozenset[str]  # the prompts of those held out that were asked
    cases: list[Hashable]  # what each is made of, the same on every split
    right: Shares  # (cases,) of a baseline: in which share of its tie-breaks
    parts: Shares  # (cases, parts) the same by part
    guesses: Guesses  # (cases, parts)
    judged: Truths  # (cases,) all; of aggregates those in which the rules before them are right
    fitted: bool  # right on every seen state; a baseline always is

    @property
    def only_judged(self) -> FitScore:
        """The cases that are judged."""
        return replace(
            self,
            cases=[one for one, judged in zip(self.cases, self.judged, strict=True) if judged],
            right=self.right[self.judged],
            parts=self.parts[self.judged],
            guesses=self.guesses[self.judged],
            judged=self.judged[self.judged],
        )

    @property
    def count(self) -> Count:
        """All new cases, judged or not."""
        return Count.of(self.right[None])


Scores = Mapping[str, Mapping[Fit, FitScore]]  # by measure; no cell that can't be scored


@dataclass(frozen=True)
class SplitRow:
    """One contestant on one way of holding out, by one measure."""

    hold_outs: str
    contestant: str
    is_model: bool
    measure: str
    by_seed: dict[int, Count]  # new cases of all splits of that seed
    new_cases: int  # of all splits, at most as many as there are distinct held-out states
    fits: int
    fitted: int  # cells in which every seen state was exact; all, for a baseline

    @property
    def total(self) -> Count:
        """The new cases of all seeds together."""
        return reduce(Count.__add__, self.by_seed.values(), NOTHING)

    @property
    def share(self) -> float:
        """The share of them that is right."""
        return self.total.share

    @property
    def interval(self) -> tuple[float, float]:
        """Of a model: Wilson's of its share over as many trials as there are distinct new cases.

        Seeds asked about the same case are no independent trials. Of a baseline: from what it has
        right in every tie-break to what it has in one.
        """
        total = self.total
        if not self.is_model:
            return (total.always / total.n, total.sometimes / total.n) if total.n else (0.0, 1.0)
        rate = Rate(round(self.share * self.new_cases), self.new_cases) if total.n else Rate(0, 0)
        return rate.low, rate.high


def all_aggregates(world: World, parts: Sequence[str]) -> bool:
    """Whether a measure has no rule in it: it is judged where the rules are right then."""
    return not {EXACT, *world.rule_parts} & {*parts}


def scores_of(experiment: SplitsExperiment, results: Results) -> dict[str, dict[Fit, FitScore]]:
    """Every cell that has an answer to held-out states, by every measure."""
    world, measures = find_world(experiment.world), experiment.all_measures
    found: dict[str, dict[Fit, FitScore]] = {measure: {} for measure in measures}
    for fits in _by_split(results):
        held_out = fits[0].hold_out.resolve(world, fits[0].seed)
        seen = seen_states(
            world, fits[0].hold_out, held_out, fits[0].seed, fits[0].train.train_rows
        )
        asked = sampled(world.states_at(held_out), fits[0].seed, "held-out")
        prompts = world.prompts(asked)
        for measure, parts in measures.items():
            cases = _cases(world, parts, seen, asked)
            for fit in fits:
                states = [results[fit]["held_out"][prompt] for prompt in prompts]
                judged = _judged(world, parts, states, cases) if fit.entry else cases.new
                right_in = _right_in(states)
                each = world.parts if parts == [EXACT] else parts
                by_part = [cases.part_right(part, right_in(part)) for part in each]
                found[measure][fit] = FitScore(
                    states=frozenset(prompts),
                    cases=[one for one, new in zip(cases.keys, cases.new, strict=True) if new],
                    right=cases.right(right_in)[cases.new],
                    parts=np.stack(by_part, axis=1)[cases.new],
                    guesses=cases.guesses[cases.new],
                    judged=judged[cases.new],
                    fitted=has_fitted(fit, results[fit]),
                )
    return found


def _by_split(results: Results) -> list[list[Fit]]:
    """The cells that can be scored, those of one split together."""
    splits: dict[tuple[HoldOut, int], list[Fit]] = {}
    for fit, result in results.items():
        if result["held_out"] is not None:
            splits.setdefault((fit.hold_out, fit.seed), []).append(fit)
    return list(splits.values())


def _cases(world: World, parts: Sequence[str], seen: Integers, asked: Integers) -> Cases:
    whole = parts == [EXACT]
    return whole_cases(world, seen, asked) if whole else cases_of(world, parts, seen, asked)


def _judged(world: World, parts: Sequence[str], states: States, cases: Cases) -> Truths:
    """(cases,): the new cases that a model is judged on; see `VerdictLine.asked`."""
    if not all_aggregates(world, parts):
        return cases.new
    rules = [always(_right_in(states)(part)) for part in world.rule_parts]
    judged: Truths = cases.new & cases.least(np.logical_and.reduce(rules))
    return judged


def _right_in(states: States) -> Callable[[str], Shares]:
    return lambda part: np.array([state[part] for state in states], dtype=float)


def rows_of(experiment: SplitsExperiment, scores: Scores) -> list[SplitRow]:
    """Every row of the table: of each way of holding out that leaves new cases."""
    rows = []
    for measure, scored in scores.items():
        groups: dict[tuple[str, str], dict[Fit, FitScore]] = {}
        for fit, score in scored.items():
            groups.setdefault((fit.hold_outs, fit.contestant), {})[fit] = score
        rows += [_row(measure, group) for group in groups.values()]
    ways = [*experiment.hold_outs]
    asked = (row for row in rows if row.total.n)
    return sorted(asked, key=lambda row: (ways.index(row.hold_outs), not row.is_model))


def _row(measure: str, group: Mapping[Fit, FitScore]) -> SplitRow:
    first, *_ = group
    by_seed: dict[int, Count] = {}
    for fit, score in group.items():
        by_seed[fit.seed] = by_seed.get(fit.seed, NOTHING) + score.count
    return SplitRow(
        hold_outs=first.hold_outs,
        contestant=first.contestant,
        is_model=first.entry is not None,
        measure=measure,
        by_seed=by_seed,
        new_cases=distinct_cases(group.values()),
        fits=len(group),
        fitted=sum(score.fitted for score in group.values()),
    )


def distinct_cases(scores: Collection[FitScore]) -> int:
    """The new cases of all splits, at most as many as there are states held out in any."""
    cases = {case for score in scores for case in score.cases}
    return min(len(cases), len(frozenset().union(*(score.states for score in scores))))


def has_fitted(fit: Fit, result: Mapping[str, Any]) -> bool:
    """Whether a model was right on every seen state; a baseline is never unfit."""
    return fit.entry is None or all(state[EXACT] for state in result["seen"].values())
