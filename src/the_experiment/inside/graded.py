"""One map of what matters to each part, with its score beside an untrained model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from the_experiment.base.seeds import derived_seed
from the_experiment.engine.outcome import SHARES, HeatMap
from the_experiment.evaluation.statistics import short
from the_experiment.inside.attributions import METHODS, AttributionQuery, Attributions
from the_experiment.inside.hooked_model import untrained
from the_experiment.inside.scores import elsewhere, gradable, names_in, on_ancestors, score
from the_experiment.inside.subject import Subject
from the_experiment.inside.swaps import Swap
from the_experiment.inside.texts import TokenizedExample

TOLD = {
    "swaps": "effect of swapping a value",
    "patches": "effect of patching a value in each layer",
    "gradients": "integrated-gradient attribution",
    "attention": "attention",
}

UNTRAINED = 3  # models that a trained one is held against

Scores = dict[str, dict[str, Any]]  # by part


def question(
    subject: Subject, texts: Sequence[TokenizedExample], swaps: Sequence[Swap] = ()
) -> AttributionQuery:
    """What matters to each part of these texts?"""
    names, parts = names_in(subject.world), tuple(subject.world.parts)
    return AttributionQuery(texts, swaps, subject.references, names, parts)


def graded_map(
    subject: Subject, asked: AttributionQuery, method: str, which: str, seed: int
) -> tuple[HeatMap, Scores]:
    """The map of one method, and the scores of the parts that can be graded.

    A score is {share, low, high, n, elsewhere, untrained}, there being none where there is no mass;
    `untrained` is the same of three models before training, each of which looks somewhere.
    """
    measured = METHODS[method]
    attributions = measured(subject.hooked, asked)
    seeds = [derived_seed(seed, subject.name, number) for number in range(UNTRAINED)]
    raw = [measured(untrained(subject.hooked, one), asked) for one in seeds]
    title = f"{subject.name}, {which}: inputs and outputs that each part's {TOLD[method]} is on"
    found = {}
    for part in gradable(subject.world):
        scored = score(subject.world, part, asked.names, attributions[part], seed)
        shares = [on_ancestors(subject.world, part, asked.names, each[part]) for each in raw]
        if scored:
            rest = elsewhere(subject.world, part, asked.names, attributions[part])
            found[part] = scored.as_json() | {"elsewhere": rest, "untrained": _spread(shares)}
    return _map(title, asked, attributions), found


def _spread(shares: Sequence[float]) -> dict[str, float | int]:
    """The mean over models, between the smallest and the largest."""
    ends = {"share": float(np.mean(shares)), "low": min(shares), "high": max(shares)}
    return {name: round(value, 6) for name, value in ends.items()} | {"n": len(shares)}


def _map(title: str, asked: AttributionQuery, attributions: Attributions) -> HeatMap:
    sums = np.array([attributions[part].sum(0) for part in asked.parts])
    shares = sums / np.maximum(sums.sum(1, keepdims=True), 1e-12)
    return HeatMap(
        title, "share", asked.parts, asked.names, shares, span=SHARES, n=len(asked.texts)
    )


def interval_told(of: Mapping[str, Any]) -> str:
    """A score with its interval: `.94 [.92–.96]`."""
    return f"{short(of['share'])} [{short(of['low'])}–{short(of['high'])}]"


def score_told(part: str, method: str, of: Mapping[str, Any]) -> str:
    """A part's score in a sentence."""
    return (
        f"{part}: {interval_told(of)} of the {TOLD[method]} is on its causal ancestors "
        f"(n {of['n']}), untrained {short(of['untrained']['share'])}"
    )
