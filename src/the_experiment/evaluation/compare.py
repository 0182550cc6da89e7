"""Every trained model and every baseline on every seen and every held-out state, with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from the_experiment.evaluation.contestants import Contestant, Exam
from the_experiment.evaluation.limits import limits
from the_experiment.evaluation.scores import ALL_RULES
from the_experiment.evaluation.seed_groups import by_recipe, group_name
from the_experiment.evaluation.trained import Trained
from the_experiment.evaluation.verdict import Verdict
from the_experiment.evaluation.verdicts import Group, verdicts


@dataclass(frozen=True)
class Comparison:
    """One split, and how every contestant did on it."""

    world: str
    hold_out: str
    exam: Exam
    states: Mapping[str, int]  # seen and held out, of which `exam` may ask a sample
    groups: list[Group]
    baselines: list[Contestant]
    verdicts: Mapping[str, Mapping[str, Verdict]]  # by group and line

    @property
    def contestants(self) -> list[Contestant]:
        """All of them, models first."""
        return [*(run for group in self.groups for run in group.runs), *self.baselines]

    @property
    def measures(self) -> list[str]:
        """What tables have columns for; the rules together only where there are several."""
        rules = self.exam.measures[ALL_RULES]
        return [name for name in self.exam.measures if name != ALL_RULES or len(rules) > 1]

    @property
    def cases(self) -> dict[str, str]:
        """How many cases are held out, by measure, and how many of them are new."""
        cases = self.exam.cases
        return {name: f"{len(cases[name])} ({cases[name].new.sum()} new)" for name in self.measures}

    @property
    def limits(self) -> list[str]:
        """What this split can't show, in sentences."""
        return limits(self.exam, self.baselines)

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {
            "world": self.world,
            "hold_out": self.hold_out,
            "states": {"seen": len(self.exam.seen), "held_out": len(self.exam.held_out)},
            "states_in_all": dict(self.states),
            "cases": {
                name: {"held_out": len(cases), "new": int(cases.new.sum())}
                for name, cases in self.exam.cases.items()
            },
            "models": {run.name: run.as_json() for group in self.groups for run in group.runs},
            "baselines": {one.name: one.as_json() for one in self.baselines},
            "groups": {
                group.name: {
                    "runs": [run.name for run in group.runs],
                    "verdicts": {
                        line: str(verdict) for line, verdict in self.verdicts[group.name].items()
                    },
                }
                for group in self.groups
            },
            "limits": self.limits,
        }


def compare(models: Sequence[Trained]) -> list[Comparison]:
    """A comparison for each split among the models, in the order in which they come."""
    splits: dict[str, list[list[Trained]]] = {}
    for group in by_recipe(models):
        splits.setdefault(group[0].split.key, []).append(group)
    return [_compared(groups) for groups in splits.values()]


def _compared(groups: Sequence[Sequence[Trained]]) -> Comparison:
    split = groups[0][0].split
    exam = Exam.of(split)
    asked = _named(groups, exam)
    baselines = exam.baselines()
    return Comparison(
        world=split.world.name,
        hold_out=str(split.manifest.hold_out),
        exam=exam,
        states={"seen": len(split.seen), "held_out": len(split.held_out)},
        groups=asked,
        baselines=baselines,
        verdicts=verdicts(exam, asked, baselines),
    )


def _named(groups: Sequence[Sequence[Trained]], exam: Exam) -> list[Group]:
    """The groups with their runs asked; one whose name is taken is called as its first run."""
    found: dict[str, Group] = {}
    for group in groups:
        names = [one.name for one in group]
        free = (name for name in (group_name(names), *names) if name not in found)
        name = next(free, f"{names[0]} and others")
        found[name] = Group(name, [exam.model(one) for one in group])
    return list(found.values())
