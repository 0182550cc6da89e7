"""Activation patching: put into one run what another run holds at a place, and see what turns.

Meng et al., "Locating and Editing Factual Associations in GPT", NeurIPS 2022 (causal tracing);
Zhang and Nanda, "Towards Best Practices of Activation Patching", ICLR 2024 (measures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream
from the_experiment.base.words import counted
from the_experiment.evaluation.compare import rate_json
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.card import Finding, Request, verb
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.maps import HeatMap
from the_experiment.inside.opened import Opened
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.sweep import Trial, sweep
from the_experiment.inside.texts import Text, refuse_mixed_lengths

MOST_PAIRS = 64

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """A text, and one whose values are put into it; each with its right completion."""

    base: Text
    source: Text

    def turns(self, part: str) -> tuple[int, int, int] | None:
        """Where the answers first differ in a part, and the two tokens; None where they don't."""
        for place in self.base.written_at(part):
            one, other = self.base.ids[place + 1], self.source.ids[place + 1]
            if one != other:
                return place, one, other
        return None


@dataclass(frozen=True)
class Patched:
    """What every patch of every pair gave, beside the unpatched runs."""

    layers: tuple[str, ...]  # the names of the rows of the maps
    first: int  # the first position that is asked
    clean: Tensor  # (pairs, asked, vocabulary)
    logits: Tensor  # (pairs, layers, positions, asked, vocabulary)


@dataclass(frozen=True)
class Turned:
    """What the patches did to one part, in the pairs in which it differs."""

    became: Numbers  # (pairs, layers, positions): whether it is the other answer now
    effect: Numbers  # … by how much the logit difference went towards the other answer


@verb("patch")
class PatchMaps(Request):
    """One sequence with another (`to`, or one input changed); all of them where none is given."""

    sequence: str | None = None
    to: str | None = None
    pairs: int = Field(MOST_PAIRS, ge=1)  # so many of all, drawn by `seed`
    seed: int = 0

    def run(self, subject: Subject) -> Finding:
        """For each part that differs: what a patch does, by layer and position.

        Raises `UsageError` for sequences whose texts are not of the same shape.
        """
        pairs = self._pairs(subject)
        patched = _patched(subject.opened, pairs)
        maps: list[HeatMap] = []
        figures: dict[str, Any] = {}
        sentences: list[str] = []
        base = pairs[0].base
        columns = base.labels if len(pairs) == 1 else base.part_labels
        for part in subject.world.parts:
            turned = _turned(patched, pairs, part)
            if turned is not None:
                end = base.written_at(part)[-1] + 1  # a later position can't matter
                maps += _maps(f"{subject.name}, {part}", turned, patched.layers, columns[:end])
                figures[part], sentence = _best(turned, patched.layers, columns[:end])
                sentences.append(f"{part}: {sentence}")
        return Finding(maps, figures, sentences)

    def _pairs(self, subject: Subject) -> list[Pair]:
        if self.sequence is not None:
            to = self.to or next(iter(_neighbours(subject, self.sequence)))
            return [_pair(subject, self.sequence, to)]
        found = []
        states = np.concatenate(subject.states())
        for prompt in subject.world.prompts(states):
            for other in _neighbours(subject, prompt):
                found.append((prompt, other))
        order = Stream(self.seed, "pairs").shuffled(len(found))[: self.pairs]
        return [_pair(subject, *found[place]) for place in order]


def _neighbours(subject: Subject, prompt: str) -> list[str]:
    """The sequences that differ in one input, which takes its next value."""
    world = subject.world
    state = world.state(prompt)[0]
    return [
        world.counterfactual(
            prompt, {name: domain.low + (int(value) - domain.low + 1) % domain.size}
        )
        for value, (name, domain) in zip(state, world.inputs.items(), strict=True)
    ]


def _pair(subject: Subject, base: str, source: str) -> Pair:
    pair = Pair(subject.text(base), subject.text(source))
    if len(pair.base.ids) != len(pair.source.ids) or pair.base.parts != pair.source.parts:
        raise UsageError(
            f"{base} and {source} are texts of different shape",
            "patch one of the same number of tokens",
        )
    return pair


def _patched(opened: Opened, pairs: Sequence[Pair]) -> Patched:
    """Patch every layer at every position of every pair. Raises `UsageError` for mixed lengths."""
    refuse_mixed_lengths([pair.base for pair in pairs])
    length = len(pairs[0].base.ids) - 1
    carried = [
        [Site(kind, layer) for kind in opened.layout.carries] for layer in range(opened.layers)
    ]
    ids = batch_ids([pair.base for pair in pairs])
    sources = batch_ids([pair.source for pair in pairs])
    cache = opened.run(sources, keep=[site for sites in carried for site in sites]).cache
    trials = [
        Trial(number, tuple(Edit(site, (place,), cache[site][number, place]) for site in sites))
        for number in range(len(pairs))
        for sites in carried
        for place in range(length)
    ]
    first = pairs[0].base.begins - 1
    asked = torch.arange(first, length)
    clean = opened.run(ids, logits_at=asked).logits
    logits = clean.new_empty(len(trials), *clean.shape[1:])
    for numbers, found in sweep(opened, ids, trials, asked):
        logits[torch.tensor(numbers)] = found
    shape = (len(pairs), opened.layers, length, *clean.shape[1:])
    return Patched(tuple(str(sites[0]) for sites in carried), first, clean, logits.view(shape))


def _turned(patched: Patched, pairs: Sequence[Pair], part: str) -> Turned | None:
    """None where the part is the same in both sequences of every pair."""
    turns = [(number, turn) for number, pair in enumerate(pairs) if (turn := pair.turns(part))]
    if not turns:
        return None
    became, effect = [], []
    for number, (place, one, other) in turns:
        after = patched.logits[number, :, :, place - patched.first]  # (layers, positions, tokens)
        before = patched.clean[number, place - patched.first]
        became.append((after.argmax(-1) == other).double())
        effect.append(after[..., other] - after[..., one] - (before[other] - before[one]))
    return Turned(torch.stack(became).numpy(), torch.stack(effect).double().numpy())


def _maps(
    title: str, turned: Turned, layers: tuple[str, ...], columns: tuple[str, ...]
) -> list[HeatMap]:
    end = len(columns)
    told = f"{title}, {counted(len(turned.became), 'pair')}"
    became, effect = turned.became.mean(0)[:, :end], turned.effect.mean(0)[:, :end]
    return [
        HeatMap(f"{told}: became the other answer", "share", layers, columns, became),
        HeatMap(f"{told}: logit difference", "logits", layers, columns, effect),
    ]


def _best(
    turned: Turned, layers: tuple[str, ...], columns: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    """The place that turns most pairs, beside a random position of its layer; in words too."""
    became = turned.became[:, :, : len(columns)]
    layer, place = np.unravel_index(became.mean(0).argmax(), became.shape[1:])
    rate = Rate(int(became[:, layer, place].sum()), len(became))
    elsewhere = float(np.delete(became[:, layer], place, axis=1).mean())
    figures = {"site": layers[layer], "token": columns[place], **rate_json(rate)}
    return {"best": figures, "random_position": elsewhere}, (
        f"of all places {layers[layer]} at {columns[place]!r} turns it into the other answer most "
        f"often, in {rate}; a random position of that layer in {elsewhere:.2f}"
    )
