"""The verdict on each model of a split, one line for its rules and one for its aggregates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from the_experiment.base.words import counted
from the_experiment.data.cases import Truths
from the_experiment.evaluation.contestants import Composite, Contestant, Exam
from the_experiment.evaluation.other_rules import other_rule
from the_experiment.evaluation.predictions import always
from the_experiment.evaluation.scores import ALL_AGGREGATES, ALL_RULES, Count
from the_experiment.evaluation.statistics import LEVEL
from the_experiment.evaluation.verdict import (
    INTERPOLATION,
    Conclusion,
    Evidence,
    Pairing,
    Verdict,
    VerdictKind,
    conclusions,
    fewest_cases,
)
from the_experiment.worlds import EXACT

LINES = {"rules": ALL_RULES, "aggregates": ALL_AGGREGATES}  # of a verdict, each with its measure


@dataclass(frozen=True)
class Group:
    """Models that differ in their seed only."""

    name: str
    runs: list[Contestant]

    @property
    def fitted(self) -> list[Contestant]:
        """Those that are exact on every seen state. The others say nothing on held-out states."""
        return [run for run in self.runs if run.fitted]


@dataclass(frozen=True)
class VerdictLine:
    """What a verdict is about: the rules, or the aggregates, of one group on one split."""

    exam: Exam
    group: Group
    baselines: Sequence[Contestant]  # those that can be applied to all of it
    measure: str

    def asked(self, run: Contestant) -> Truths:
        """(cases,): the new cases that a model is judged on.

        Aggregates are judged where the rules that the model wrote before them are right, as they
        are for the baselines: what follows from a wrong rule is wrong by that rule.
        """
        cases = self.exam.cases[self.measure]
        if self.measure != ALL_AGGREGATES:
            return cases.new
        rules = [always(run.graded.shares[part]) for part in self.exam.world.rule_parts]
        asked: Truths = cases.new & cases.least(np.logical_and.reduce(rules))
        return asked

    def counts(self, one: Contestant) -> list[Count]:
        """What a baseline has right of the cases that each fitted seed is judged on."""
        right = one.right[self.measure]
        return [Count.of(right[:, self.asked(run)]) for run in self.group.fitted]

    @cached_property
    def own_counts(self) -> list[Count]:
        """What each fitted seed has right of the cases that it is judged on."""
        return [Count.of(run.right[self.measure][:, self.asked(run)]) for run in self.group.fitted]

    @cached_property
    def by_seed(self) -> list[Evidence]:
        """How each fitted seed stands to the baselines on the cases that it is judged on."""
        return [self._of_seed(run) for run in self.group.fitted]

    @cached_property
    def evidence(self) -> Evidence:
        """What holds in all of them."""
        return Evidence.of_seeds(self.by_seed)

    def composites(self, run: Contestant) -> tuple[Composite, Composite]:
        """Of all patterns; and of those and interpolation, where that can be tried."""
        cases, parts = self.exam.cases[self.measure], self.exam.measures[self.measure]
        asked = self.asked(run)
        both = patterns(self.baselines), self.baselines
        of_patterns, of_all = (Composite.of(some, cases, parts, asked) for some in both)
        return of_patterns, of_all

    def correct(self, run: Contestant) -> Truths:
        """In which of the cases that it is judged on a model is right."""
        return always(run.right[self.measure][0, self.asked(run)])

    def pairings(self, run: Contestant) -> dict[str, list[Pairing]]:
        """The model beside each baseline, in every way to break ties."""
        asked, model = self.asked(run), self.correct(run)
        return {
            one.name: [Pairing.of(model, way[asked]) for way in one.right[self.measure]]
            for one in self.baselines
        }

    def _of_seed(self, run: Contestant) -> Evidence:
        model, (patterns_together, all_together) = self.correct(run), self.composites(run)
        return Evidence.of(
            self.pairings(run),
            patterns_together=patterns_together.p(model),
            all_together=all_together.p(model),
        )


def verdicts(
    exam: Exam, groups: Sequence[Group], baselines: Sequence[Contestant]
) -> dict[str, dict[str, Verdict]]:
    """By group and line. All comparisons on a split are corrected together."""
    names = {name: measure for name, measure in LINES.items() if measure in exam.measures}
    found = {group.name: dict.fromkeys(names, _unfit(group)) for group in groups}
    lines = {
        (group.name, name): VerdictLine(
            exam, group, [one for one in baselines if measure in one.held_out], measure
        )
        for group in groups
        if group.fitted
        for name, measure in names.items()
    }
    concluded = conclusions([line.evidence for line in lines.values()])
    for ((group_name, name), line), conclusion in zip(lines.items(), concluded, strict=True):
        found[group_name][name] = _verdict(line, conclusion, len(lines))
    return found


def _unfit(group: Group) -> Verdict:
    best = max((run.seen[EXACT] for run in group.runs), key=lambda rate: rate.k)
    at_best = "at best " if len(group.runs) > 1 else ""
    return Verdict(VerdictKind.DID_NOT_FIT, f"{at_best}{best.k} of {best.n} seen states are exact")


def _verdict(line: VerdictLine, conclusion: Conclusion, comparisons: int) -> Verdict:
    others = _other_rules(line.exam, line.group) if line.measure == ALL_RULES else {}
    explained = conclusion.kind is VerdictKind.LOOKUP and others and all(others.values())
    told = [
        *_figures(line, conclusion.kind),
        _reason(line, conclusion, comparisons),
        *(f"extrapolates {part} = {rule}" for part, rule in others.items() if rule),
        _seeds(line.group),
    ]
    kind = VerdictKind.EXTRAPOLATES if explained else conclusion.kind
    return Verdict(kind, "; ".join(part for part in told if part))


def _figures(line: VerdictLine, kind: VerdictKind) -> Iterator[str]:
    """What the model has right, beside the best pattern: by what it is sure of, or at its best."""
    right, asked = (
        _range([getattr(count, name) for count in line.own_counts]) for name in ("always", "n")
    )
    if asked == "0":
        return
    sure = kind is VerdictKind.LOOKUP
    best = max(
        patterns(line.baselines),
        key=lambda one: sorted(count.rank(sure) for count in line.counts(one)),
    )
    where = " where its rules are right" if line.measure == ALL_AGGREGATES else ""
    cases = "new case" if asked == "1" else "new cases"
    yield f"right on {right} of {asked} {cases}{where}, {best.name} on {_of(line, best)}"


def _of(line: VerdictLine, one: Contestant) -> str:
    """`5–6 of 6`: what a baseline has right of what the seeds are judged on."""
    counts = line.counts(one)
    numbers = [count.always for count in counts] + [count.sometimes for count in counts]
    return f"{_range(numbers)} of {_range([count.n for count in counts])}"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low}–{high}"


def _reason(line: VerdictLine, conclusion: Conclusion, comparisons: int) -> str:
    simple = next((one for one in line.baselines if one.name == INTERPOLATION), None)
    p = f"p = {conclusion.patterns:.2g}"
    if conclusion.kind is VerdictKind.LOOKUP:
        return f"worse than a pattern, {p}"
    if conclusion.patterns >= LEVEL:
        return _why_not(line, comparisons) or f"no difference beyond chance, {p}"
    better = f"better than every pattern, {p}"
    if simple is None:
        return f"{better}, but interpolation can't be tried here"
    beside = f"interpolation, which is right on {_of(line, simple)}"
    if conclusion.kind is VerdictKind.INTERPOLATES:
        if _is_better_than_interpolation(line):
            beside = "interpolation, patterns and guessing together"
        return f"{better}, and not shown to be better than {beside}"
    word = "better" if conclusion.kind is VerdictKind.BEYOND else "worse"
    found = f"{better}, and {word} than {beside}, p = {conclusion.interpolation:.2g}"
    return found + " (by the rule, or by a bias that agrees with it)" * (word == "better")


def _is_better_than_interpolation(line: VerdictLine) -> bool:
    """Whether every seed is better than that alone, and some not than all baselines together."""
    found = [Evidence.of(line.pairings(run)).interpolation for run in line.group.fitted]
    alone = all(one and one.direction > 0 and one.p < LEVEL for one in found)
    together = line.evidence.interpolation
    return alone and together is not None and together.p >= LEVEL


def _why_not(line: VerdictLine, comparisons: int) -> str:
    """Why nothing can be told, other than by chance; empty where it is chance."""
    if not len(line.exam.held_out):
        return "nothing is held out"
    if not line.exam.cases[line.measure].new.any():
        return "no held-out case is new: each was seen in some other state"
    fewest, most = (pick(count.n for count in line.own_counts) for pick in (min, max))
    if not fewest:
        return ("in some seeds " if most else "") + "its rules are right in no new case"
    if fewest < fewest_cases(comparisons):
        among = f" among {comparisons} comparisons" if comparisons > 1 else ""
        return f"too few: it takes {fewest_cases(comparisons)} new cases{among}"
    if not line.evidence.patterns.direction:
        return _disagreement(line)
    return _beside_composite(line) if line.evidence.patterns.direction > 0 else ""


def _beside_composite(line: VerdictLine) -> str:
    """Why a model that is better than every pattern is not better than all of them together."""
    runs = line.group.fitted
    if max(Evidence.of(line.pairings(run)).patterns.p for run in runs) >= LEVEL:
        return ""
    found = [(line.composites(run)[0], line.correct(run)) for run in runs]
    guessing = max(one.p_of_guessing(model) for one, model in found)
    if guessing >= LEVEL:
        return f"better than every pattern, but no better than guessing, p = {guessing:.2g}"
    p, right = max((one.p_better(model), one.right) for one, model in found)
    combined = f"the best pattern for each part combined, which is right on {right}"
    none = f"better than every single pattern, but not than {combined}, p = {p:.2g}"
    return none if p >= LEVEL else ""


def _disagreement(line: VerdictLine) -> str:
    """A sentence where one seed is better or worse, and another is not."""
    directions = {one.patterns.direction for one in line.by_seed}
    return "the seeds disagree" if len(directions) > 1 else ""


def _other_rules(exam: Exam, group: Group) -> dict[str, str]:
    """For each rule that some run has wrong: the other one that all runs follow, or nothing."""
    found = {}
    for part in exam.world.rule_parts:
        followed = {
            other_rule(exam.world, part, exam.shown, exam.held_out, run.written[part])
            for run in group.fitted
        }
        if any(not always(run.graded.shares[part]).all() for run in group.fitted):
            found[part] = followed.pop() if len(followed) == 1 else ""
    return found


def _seeds(group: Group) -> str:
    runs, fitted = len(group.runs), len(group.fitted)
    unfit = (
        f"; {runs - fitted} of {runs} seeds did not fit and are left out" if fitted < runs else ""
    )
    if fitted == 1:
        return f"one seed: exploratory{unfit}"
    return f"{counted(fitted, 'seed')}{unfit}"


def patterns(baselines: Sequence[Contestant]) -> list[Contestant]:
    """The baselines that only know patterns: all but interpolation, a learner of simple rules."""
    return [one for one in baselines if one.name != INTERPOLATION]
