"""What came out: right by share held out, beside a decision tree, and by how complex a rule is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from the_experiment.engine.outcome import Chart, Outcome, Table
from the_experiment.evaluation.statistics import (
    LEVEL,
    holm,
    join_names,
    mean_interval,
    short,
    sign_flip,
)
from the_experiment.experiments.regulation.cells import RegulationFit, RuleSet
from the_experiment.experiments.regulation.config import RegulationExperiment
from the_experiment.report.plots import Curve, curves_figure
from the_experiment.worlds import EXACT

TREE = "decision tree"
APART = 0.01  # a difference in accuracy that is worth a word
SENSITIVITIES = (0.5, 1.0, 1.5)  # where one group of rules ends and the next begins
UNKNOWN = (math.inf, "too many inputs to tell")
SAMPLE = (
    "Made with --quick: fewer kinds of rules, shares and seeds. Run it without for all of them."
)
HOW_TO_READ = (
    "Each cell: the share of held-out states in which a rule is right, the mean over rules, "
    "networks and seeds, of a baseline over its ties too; [a bootstrap 95% interval over n splits]."
)
NOTE = (
    "Mean over rules, networks and seeds. Bands: 95% intervals of models, a bootstrap over splits. "
    "Grey: baselines without a network, the mean over their ties."
)


@dataclass(frozen=True)
class RegulationScore:
    """One contestant on one split of a set of rules."""

    rules: RuleSet
    share: float  # of the states held out
    seed: int
    contestant: str
    is_model: bool
    right: Mapping[str, float]  # by rule: in which share of the held-out states
    exact: float  # in which share all rules are right

    @property
    def mean(self) -> float:
        """The mean over rules."""
        return float(np.mean([*self.right.values()]))

    @property
    def split(self) -> tuple[RuleSet, float, int]:
        """What was learned from what."""
        return self.rules, self.share, self.seed


def outcome_of(
    experiment: RegulationExperiment, results: Mapping[RegulationFit, Any], *, quick: bool
) -> Outcome:
    """Tables and a chart for each kind of rules; where each model leaves the decision tree."""
    scores = [score for fit, result in results.items() for score in _scores(fit, result)]
    kinds = list(dict.fromkeys(score.rules.kind for score in scores))
    gaps = _gaps(scores)
    complexity = {
        (fit.rules, rule): of
        for fit, result in results.items()
        if not fit.entry
        for rule, of in result["rules"].items()
    }
    sentences = [*_solved(scores, kinds), *_left(gaps, kinds)]
    return Outcome(
        title=experiment.name,
        about=[*([SAMPLE] if quick else []), experiment.question],
        sentences=sentences,
        tables=[
            *(_by_share(kind, _of(scores, kind)) for kind in kinds),
            _by_complexity("Fourier degree", scores, complexity, _degree),
            _by_complexity("average sensitivity", scores, complexity, _sensitivity),
        ],
        charts=[_chart(kind, _of(scores, kind)) for kind in kinds],
        figures={
            "experiment": experiment.model_dump(),
            "quick": quick,
            "scores": [_score_json(score) for score in scores],
            "gaps": [gap.as_json() for gap in gaps],
            "sentences": sentences,
        },
    )


def _scores(fit: RegulationFit, result: Mapping[str, Any]) -> Iterator[RegulationScore]:
    by_contestant = {fit.contestant: result["held_out"]} if fit.entry else result["held_out"]
    for contestant, right in by_contestant.items():
        by_rule = {rule: share for rule, share in right.items() if rule != EXACT}
        split = fit.rules, fit.share, fit.seed
        yield RegulationScore(*split, contestant, fit.entry is not None, by_rule, right[EXACT])


def _of(scores: Sequence[RegulationScore], kind: str) -> list[RegulationScore]:
    return [score for score in scores if score.rules.kind == kind]


def _solved(scores: Sequence[RegulationScore], kinds: Sequence[str]) -> Iterator[str]:
    """How often the tree is right in every held-out state, at the smallest share."""
    share = min((score.share for score in scores), default=0.0)
    for kind in kinds:
        trees = [s for s in _of(scores, kind) if (s.contestant, s.share) == (TREE, share)]
        if trees:
            exact = sum(score.exact == 1 for score in trees)
            yield (
                f"On {kind} rules a decision tree is right in every held-out state that was asked "
                f"in {exact} of {len(trees)} splits with {share:.0%} held out."
            )


# -- beside the tree -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """A model less the decision tree on the same splits."""

    kind: str
    model: str
    share: float
    ours: float
    tree: float
    p: float  # two-sided, by turning signs of whole splits; corrected for all gaps
    splits: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "difference": self.ours - self.tree}


def _gaps(scores: Sequence[RegulationScore]) -> list[Gap]:
    trees = {score.split: score.mean for score in scores if score.contestant == TREE}
    groups: dict[tuple[str, str, float], list[RegulationScore]] = {}
    for score in scores:
        if score.is_model and score.split in trees:
            key = score.rules.kind, score.contestant, score.share
            groups.setdefault(key, []).append(score)
    found = []
    for key, group in groups.items():
        ours = np.array([score.mean for score in group])
        tree = np.array([trees[score.split] for score in group])
        p = sign_flip(ours - tree, seed=0)
        found.append((key, float(ours.mean()), float(tree.mean()), p, len(group)))
    corrected = holm([p for *_, p, _ in found])
    return [
        Gap(*key, ours, tree, p, splits)
        for (key, ours, tree, _, splits), p in zip(found, corrected, strict=True)
    ]


def _left(gaps: Sequence[Gap], kinds: Sequence[str]) -> Iterator[str]:
    """Where each model is apart from the tree, and whether that is beyond chance."""
    for kind in kinds:
        for model in dict.fromkeys(gap.model for gap in gaps):
            own = [gap for gap in gaps if (gap.kind, gap.model) == (kind, model)]
            if not own:
                continue
            apart = [gap for gap in own if abs(gap.ours - gap.tree) >= APART]
            if not apart:
                shares = join_names([f"{gap.share:.0%}" for gap in own])
                yield f"On {kind} rules {model} stays beside the decision tree at {shares}."
                continue
            said = ", ".join(
                f"{short(gap.ours)} against {short(gap.tree)} at {gap.share:.0%}"
                f"{'' if gap.p < LEVEL else ' (no more than chance)'}"
                for gap in apart
            )
            yield f"On {kind} rules {model} is apart from the decision tree: {said}."


# -- tables and charts -----------------------------------------------------------------------------


def _by_share(kind: str, scores: Sequence[RegulationScore]) -> Table:
    shares = sorted({score.share for score in scores})
    rows = {}
    for contestant in _contestants(scores):
        own = [score for score in scores if score.contestant == contestant]
        rows[contestant] = [_cell([s.mean for s in own if s.share == share]) for share in shares]
    columns = [f"{kind} rules", *(f"{share:.0%} held out" for share in shares)]
    return Table(
        columns,
        [[name, *cells] for name, cells in rows.items()],
        baselines={score.contestant for score in scores if not score.is_model},
        note=HOW_TO_READ,
    )


def _contestants(scores: Sequence[RegulationScore]) -> list[str]:
    """Models first."""
    names = dict.fromkeys(score.contestant for score in scores if score.is_model)
    return [*(names | dict.fromkeys(score.contestant for score in scores))]


def _cell(shares: Sequence[float]) -> str:
    if not shares:
        return "–"
    low, high = _interval(shares)
    return f"{short(float(np.mean(shares)))} [{short(low)}–{short(high)}], n = {len(shares)}"


def _interval(shares: Sequence[float]) -> tuple[float, float]:
    """Over splits; of one there is none."""
    if len(shares) < 2:
        return 0.0, 1.0
    low, high = mean_interval(np.array(shares), seed=0)
    return float(low), float(high)


def _degree(of: Mapping[str, Any]) -> tuple[float, str]:
    """A group of rules: its place, and its name."""
    degree = of["degree"]
    return UNKNOWN if degree is None else (degree, str(degree))


def _sensitivity(of: Mapping[str, Any]) -> tuple[float, str]:
    sensitivity = of["sensitivity"]
    if sensitivity is None:
        return UNKNOWN
    place = next((end for end in SENSITIVITIES if sensitivity <= end), math.inf)
    return place, f"up to {place:g}" if place < math.inf else f"above {SENSITIVITIES[-1]:g}"


def _by_complexity(
    what: str,
    scores: Sequence[RegulationScore],
    complexity: Mapping[tuple[RuleSet, str], Mapping[str, Any]],
    group_of: Callable[[Mapping[str, Any]], tuple[float, str]],
) -> Table:
    """The mean over all shares, by how complex a rule is, whatever kind it is of."""
    contestants = _contestants(scores)
    right: dict[tuple[float, str], dict[str, list[float]]] = {}
    rules: dict[tuple[float, str], set[tuple[RuleSet, str]]] = {}
    for score in scores:
        for rule, share in score.right.items():
            if of := complexity.get((score.rules, rule)):
                group = group_of(of)
                right.setdefault(group, {}).setdefault(score.contestant, []).append(share)
                rules.setdefault(group, set()).add((score.rules, rule))
    return Table(
        [what, "rules", *contestants],
        [
            [group[1], str(len(rules[group])), *(_mean(of.get(name, [])) for name in contestants)]
            for group, of in sorted(right.items())
        ],
        title=f"Right in held-out states by {what} of the rule, all shares together",
    )


def _mean(shares: Sequence[float]) -> str:
    return short(float(np.mean(shares))) if shares else "–"


def _chart(kind: str, scores: Sequence[RegulationScore]) -> Chart:
    curves = []
    for contestant in _contestants(scores):
        own = [score for score in scores if score.contestant == contestant]
        by_share = {
            at: [s.mean for s in own if s.share == at] for at in sorted({s.share for s in own})
        }
        low, high = zip(*map(_interval, by_share.values()), strict=True)
        means = [float(np.mean(shares)) for shares in by_share.values()]
        curves.append(Curve(contestant, [*by_share], means, low, high, own[0].is_model))
    words = ("share of states held out", f"share right in held-out states, {kind} rules")
    return Chart(kind, f"{kind.capitalize()} rules", partial(curves_figure, curves, *words), NOTE)


def _score_json(score: RegulationScore) -> dict[str, Any]:
    return {
        "network": score.rules.network,
        "rules": score.rules.kind,
        "number": score.rules.number,
        "share": score.share,
        "seed": score.seed,
        "contestant": score.contestant,
        "right": dict(score.right),
        "exact": score.exact,
    }
