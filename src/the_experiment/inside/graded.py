"""One map of what matters to each part, with its score beside an untrained model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from the_experiment.evaluation.statistics import short
from the_experiment.inside.maps import SHARES, HeatMap
from the_experiment.inside.masses import METHODS, Masses, Question
from the_experiment.inside.opened import untrained
from the_experiment.inside.scores import elsewhere, gradable, names_in, score
from the_experiment.inside.subject import Subject
from the_experiment.inside.swaps import Swap
from the_experiment.inside.texts import Text

TOLD = {
    "swaps": "effect of swapping a value",
    "patches": "effect of patching a value in each layer",
    "gradients": "integrated gradients",
    "attention": "attention",
}

Scores = dict[str, dict[str, Any]]  # by part


def question(subject: Subject, texts: Sequence[Text], swaps: Sequence[Swap] = ()) -> Question:
    """What matters to each part of these texts?"""
    return Question(texts, swaps, names_in(subject.world), tuple(subject.world.parts))


def graded_map(
    subject: Subject, asked: Question, method: str, which: str, seed: int
) -> tuple[HeatMap, Scores]:
    """The map of one method, and the scores of the parts that can be graded.

    A score is {share, low, high, n, elsewhere, untrained}.
    """
    measured = METHODS[method]
    masses = measured(subject.opened, asked)
    baseline = measured(untrained(subject.opened, seed), asked)
    title = f"{subject.name}, {which}: what each part's {TOLD[method]} is on"
    return _map(title, asked, masses), {
        part: {
            **score(subject.world, part, asked.names, masses[part], seed).as_json(),
            "elsewhere": elsewhere(subject.world, part, asked.names, masses[part]),
            "untrained": score(subject.world, part, asked.names, baseline[part], seed).as_json(),
        }
        for part in gradable(subject.world)
    }


def _map(title: str, asked: Question, masses: Masses) -> HeatMap:
    sums = np.array([masses[part].sum(0) for part in asked.parts])
    shares = sums / np.maximum(sums.sum(1, keepdims=True), 1e-12)
    return HeatMap(
        title, "share", asked.parts, asked.names, shares, span=SHARES, n=len(asked.texts)
    )


def score_told(part: str, method: str, of: Mapping[str, Any]) -> str:
    """A part's score in a sentence."""
    return (
        f"{part}: {short(of['share'])} [{short(of['low'])}–{short(of['high'])}] of the "
        f"{TOLD[method]} is on what the rules name (n {of['n']}), untrained "
        f"{short(of['untrained']['share'])}"
    )
