"""Taking out each piece of a model in turn: what can it no longer do?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream
from the_experiment.inside.card import Finding, Request, verb
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import Graded, batch_ids, graded
from the_experiment.inside.maps import HeatMap
from the_experiment.inside.opened import Cache, Opened
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.sweep import Trial
from the_experiment.inside.texts import Text
from the_experiment.worlds import EXACT

Mode = Literal["zero", "mean", "resample"]
MOST_STATES = 256  # of one kind, of which each piece is asked


@verb("ablate")
class Ablate(Request):
    """Silence each head, layer, MLP or neuron on every state.

    What is silenced is replaced by zero, by its mean over the seen states at that position, or by
    what it holds there for another seen state, drawn by `seed`.
    """

    each: str
    mode: Mode = "mean"
    seed: int = 0

    def run(self, subject: Subject) -> Finding:
        """Maps of the drop in exactness and log-probability, by piece and part, seen and held-out.

        Raises `UsageError` for a kind of piece that this model doesn't have.
        """
        seen, held_out = (subject.texts(states)[:MOST_STATES] for states in subject.states())
        pieces = pieces_of(subject.opened, self.each)
        maps = []
        figures = {}
        for kind, texts in (("seen", seen), ("held-out", held_out)):
            if texts:
                told = self._told(subject, pieces, seen, texts)
                figures[kind] = {
                    "states": len(texts),
                    "exact": round(float(told[0].right[:, 0].mean()), 6),
                }
                maps += _maps(f"{subject.name}, {len(texts)} {kind} states", pieces, *told)
        return Finding(maps, figures)

    def _told(
        self, subject: Subject, pieces: dict[str, list[Site]], seen: list[Text], texts: list[Text]
    ) -> tuple[Graded, list[Graded]]:
        """The grades of the model as it is, and without each piece."""
        opened, parts = subject.opened, subject.world.parts
        whole = graded(opened, texts, parts, [Trial(n, ()) for n in range(len(texts))])
        kinds = dict.fromkeys(site.whole for sites in pieces.values() for site in sites)
        cache = opened.run(batch_ids(seen), keep=list(kinds)).cache
        trials = [
            Trial(number, tuple(self._silenced(site, cache, text, number) for site in sites))
            for sites in pieces.values()
            for number, text in enumerate(texts)
        ]
        every = graded(opened, texts, parts, trials)
        size = len(texts)
        return whole, [
            Graded(every.measures, every.right[n : n + size], every.logprob[n : n + size])
            for n in range(0, len(trials), size)
        ]

    def _silenced(self, site: Site, cache: Cache, text: Text, number: int) -> Edit:
        values = cache[site.whole]  # (seen texts, positions, …)
        if site.index is not None:
            values = values[:, :, site.index]
        places = tuple(range(len(text.ids) - 1))
        values = values[:, : len(places)]
        if self.mode == "zero":
            return Edit(site, places, torch.zeros_like(values[0]))
        if self.mode == "mean":
            return Edit(site, places, values.mean(0))
        other = int(Stream(self.seed, str(site), number).below(len(values), 1)[0])
        return Edit(site, places, values[other])


def pieces_of(opened: Opened, each: str) -> dict[str, list[Site]]:
    """The pieces of a kind by name, with the sites that are silent without each.

    Raises `UsageError` for a kind that this model doesn't have.
    """
    known = opened.layout.components
    if each not in known:
        what = f"this model has no {each}s to take out"
        raise UsageError(what, f"it has {', '.join(known)}")
    component = known[each]
    if not component.each:
        return {
            f"{each} {layer}": [Site(kind, layer) for kind in component.kinds]
            for layer in range(opened.layers)
        }
    (kind,) = component.kinds
    return {
        f"{each} {site.layer}.{index}": [Site(kind, site.layer, index)]
        for site in opened.sites(kind)
        for index in range(opened.width(site))
    }


def _maps(
    title: str, pieces: Sequence[str] | dict[str, list[Site]], whole: Graded, without: list[Graded]
) -> list[HeatMap]:
    measures = tuple("whole" if name == EXACT else name for name in whole.measures)
    right = np.array([whole.right.mean(0) - one.right.mean(0) for one in without])
    logprob = np.array([whole.logprob.mean(0) - one.logprob.mean(0) for one in without])
    rows = tuple(pieces)
    return [
        HeatMap(f"{title}: drop in being right", "drop in share", rows, measures, right),
        HeatMap(f"{title}: drop in log-probability", "nats", rows, measures, logprob),
    ]
