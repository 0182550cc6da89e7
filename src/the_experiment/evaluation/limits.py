"""What a split can't show, whatever a model does on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from the_experiment.base.words import counted
from the_experiment.evaluation.contestants import Contestant, Exam
from the_experiment.evaluation.scores import ALL_RULES
from the_experiment.evaluation.statistics import join_names, percent
from the_experiment.evaluation.trained import Trained
from the_experiment.evaluation.verdict import fewest_cases
from the_experiment.evaluation.verdicts import patterns

CANNOT = "This split cannot separate rule from pattern"


@dataclass(frozen=True)
class SplitLimits:
    """One split among some models, and what it can't show."""

    models: list[str]
    hold_out: str
    sentences: list[str]


def limits_by_split(models: Sequence[Trained]) -> list[SplitLimits]:
    """Of each split among the models, in the order in which they come."""
    splits: dict[str, list[Trained]] = {}
    for model in models:
        splits.setdefault(model.split.key, []).append(model)
    found = []
    for trained in splits.values():
        split = trained[0].split
        exam = Exam.of(split)
        sentences = limits(exam, exam.baselines())
        names = [one.name for one in trained]
        found.append(SplitLimits(names, str(split.manifest.hold_out), sentences))
    return found


def limits(exam: Exam, baselines: Sequence[Contestant]) -> list[str]:
    """What a split can't show, in sentences; none where it can separate rule from pattern."""
    if not len(exam.held_out):
        return [f"Nothing is held out. {CANNOT}."]
    found = [_what_patterns_solve(exam, baselines), _too_few(exam), _what_was_seen(exam)]
    return [sentence for sentence in found if sentence]


def _what_patterns_solve(exam: Exam, baselines: Sequence[Contestant]) -> str:
    scores = {
        one.name: one.held_out[ALL_RULES]
        for one in patterns(baselines)
        if ALL_RULES in one.held_out
    }
    if not exam.cases[ALL_RULES].new.any():
        return f"{CANNOT}: no held-out case of its rules is new."
    sure = [name for name, score in scores.items() if score.new.always == score.new.n]
    if sure:
        return (
            f"{CANNOT}: {join_names(sure)}, shown no rule, "
            f"{'gets' if len(sure) == 1 else 'get'} every rule right in every new case."
        )
    lucky = {name: of for name, of in scores.items() if of.solves and of.new.sometimes == of.new.n}
    some = [f"{name} {percent(score.solves)}" for name, score in lucky.items()]
    if not some:
        return ""
    return (
        f"{CANNOT}: shown no rule, baselines get every rule right in every new case, if ties "
        f"break their way ({', '.join(some)} of the time)."
    )


def _too_few(exam: Exam) -> str:
    new, fewest = int(exam.cases[ALL_RULES].new.sum()), fewest_cases(1)
    if not 0 < new < fewest:
        return ""
    return (
        f"{counted(new, 'new case')} of the rules can't show a difference: at least {fewest} "
        "are needed."
    )


def _what_was_seen(exam: Exam) -> str:
    """Where each rule by itself meets nothing new."""
    if not any(exam.cases[part].new.any() for part in exam.measures[ALL_RULES]):
        return "No rule meets a new case: every case of each was seen in some other state."
    return ""
