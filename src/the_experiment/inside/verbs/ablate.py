"""Taking out each piece of a model in turn: what can it no longer do?"""

from __future__ import annotations

import numpy as np

from the_experiment.base.defaults import Replacement
from the_experiment.base.words import counted
from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.evaluation.statistics import join_names
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.grading import Graded, graded
from the_experiment.inside.interventions import Ablate, Reference, pieces_of
from the_experiment.inside.maps import mean_map
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.sweep import Trial
from the_experiment.inside.texts import TokenizedExample
from the_experiment.worlds import EXACT

MOST_STATES = 256  # of one kind, of which each piece is asked
MOST_TOLD = 3  # pieces in a sentence


@verb("ablate")
class AblateEach(VerbRequest):
    """Silence each head, layer, MLP or neuron on every state.

    What is silenced is replaced by zero, by its mean over the seen states at that position, or by
    what it holds there for another seen state, drawn by `seed`.
    """

    each: str
    mode: Replacement = "mean"
    seed: int = 0

    def run(self, subject: Subject) -> Outcome:
        """Maps of the drop in exactness and log-probability, by piece and part, seen and held-out.

        Raises `UsageError` for a kind of piece that this model doesn't have.
        """
        states = subject.drawn(MOST_STATES, self.seed)
        kinds = {kind: subject.texts(some) for kind, some in states.items()}
        pieces = pieces_of(subject.hooked, self.each)
        reference = Reference(subject, kinds["seen"])
        maps = []
        figures = {}
        sentences = []
        for kind, texts in kinds.items():
            told = self._told(reference, pieces, texts)
            figures[kind] = {
                "states": len(texts),
                "exact": round(float(told[0].right[:, 0].mean()), 6),
            }
            title = f"{subject.name}, {counted(len(texts), f'{kind} state')}"
            drops = _maps(title, pieces, *told, self.seed)
            maps += drops
            sentences += [*_never_right(kind, told[0]), _most_missed(kind, drops[-1])]
        return Outcome(maps, figures, sentences)

    def _told(
        self, reference: Reference, pieces: dict[str, list[Site]], texts: list[TokenizedExample]
    ) -> tuple[Graded, list[Graded]]:
        """The grades of the model as it is, and without each piece."""
        hooked, parts = reference.subject.hooked, reference.subject.world.parts
        whole = graded(hooked, texts, parts, [Trial(n, ()) for n in range(len(texts))])
        trials = [
            Trial(number, tuple(edit for one in silenced for edit in one.edits(reference, text)))
            for silenced in (self._silenced(sites) for sites in pieces.values())
            for number, text in enumerate(texts)
        ]
        every = graded(hooked, texts, parts, trials)
        size = len(texts)
        return whole, [
            Graded(every.measures, every.right[n : n + size], every.logprob[n : n + size])
            for n in range(0, len(trials), size)
        ]

    def _silenced(self, sites: list[Site]) -> list[Ablate]:
        return [Ablate(site=str(site), mode=self.mode, seed=self.seed) for site in sites]


def _measures(whole: Graded) -> tuple[str, ...]:
    return tuple("whole" if name == EXACT else name for name in whole.measures)


def _never_right(kind: str, whole: Graded) -> list[str]:
    """What is wrong in every state already, so that its drop says nothing."""
    never = [
        name for name, right in zip(_measures(whole), whole.right.T, strict=True) if not right.any()
    ]
    if not never:
        return []
    return [
        f"{kind}: right in none of {counted(len(whole.right), 'state')} even with nothing taken "
        f"out: {', '.join(never)}. No ablation can lower that: go by the log-probability"
    ]


def _maps(
    title: str, pieces: dict[str, list[Site]], whole: Graded, without: list[Graded], seed: int
) -> list[HeatMap]:
    """The drop in being right, and in log-probability: means over states."""
    names = (tuple(pieces), _measures(whole))
    right = np.array([whole.right.astype(float) - one.right for one in without])
    logprob = np.array([whole.logprob - one.logprob for one in without])
    drops = {
        ("drop in being right", "drop in share"): right,
        ("drop in log-probability", "nats"): logprob,
    }  # (pieces, states, measures)
    return [
        mean_map(f"{title}: {what}", unit, *names, drop.swapaxes(0, 1), seed)
        for (what, unit), drop in drops.items()
    ]


def _most_missed(kind: str, drop: HeatMap) -> str:
    """The pieces without which the whole completion becomes least likely, and the part that does.

    `drop` has the whole in its first column, then the parts.
    """
    told = []
    for row in np.argsort(-drop.values[:, 0])[:MOST_TOLD]:
        part = 1 + int(drop.values[row, 1:].argmax())
        whole, most = drop.values[row, [0, part]]
        told.append(f"{drop.rows[row]} ({whole:.2g} nats, {drop.columns[part]} alone {most:.2g})")
    return f"{kind}: most missed is {join_names(told)}"
