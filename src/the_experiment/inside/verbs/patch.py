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
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.card import Finding, Request, verb
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.maps import HeatMap
from the_experiment.inside.opened import Cache, Opened
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.sweep import Trial, sweep
from the_experiment.inside.texts import Text

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
class Place:
    """A row of a map: a layer, or a head; and the columns: positions, or none."""

    row: str
    sites: tuple[Site, ...]


@verb("patch")
class PatchMaps(Request):
    """One sequence with another (`to`, or one input changed); all of them where none is given."""

    sequence: str | None = None
    to: str | None = None
    pairs: int = Field(MOST_PAIRS, ge=1)  # so many of all, drawn by `seed`
    seed: int = 0

    def run(self, subject: Subject) -> Finding:
        """For each part that differs: the effect by layer and position, and by head.

        Raises `UsageError` for sequences whose texts are not of the same tokens' shape.
        """
        pairs = self._pairs(subject)
        opened = subject.opened
        rows = [
            Place(str(layer), tuple(Site(kind, layer) for kind in opened.layout.carries))
            for layer in range(opened.layers)
        ]
        return _finding(subject, pairs, rows)

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


def _finding(subject: Subject, pairs: Sequence[Pair], rows: Sequence[Place]) -> Finding:
    opened, world = subject.opened, subject.world
    length = len(pairs[0].base.ids) - 1
    if any(len(pair.base.ids) - 1 != length for pair in pairs):
        raise UsageError(
            "the texts of this world have different lengths", "patch one sequence with --to"
        )
    trials, ids = _trials(opened, pairs, rows, length)
    first = pairs[0].base.begins - 1
    asked = torch.arange(first, length)
    clean = opened.run(ids, logits_at=asked).logits
    logits = clean.new_empty(len(trials), len(asked), clean.shape[-1])
    for numbers, found in sweep(opened, ids, trials, asked):
        logits[torch.tensor(numbers)] = found
    shape = (len(pairs), len(rows), length)
    maps: list[HeatMap] = []
    figures: dict[str, Any] = {}
    sentences: list[str] = []
    base = pairs[0].base
    columns = base.labels if len(pairs) == 1 else base.part_labels
    for part in world.parts:
        turning = [(n, turn) for n, pair in enumerate(pairs) if (turn := pair.turns(part))]
        if not turning:
            continue
        effect, became = (np.zeros((len(turning), *shape[1:])) for _ in range(2))
        for row, (number, (place, one, other)) in enumerate(turning):
            here = logits.view(*shape, *logits.shape[1:])[number, :, :, place - first]
            before = clean[number, place - first]
            effect[row] = (
                here[..., other] - here[..., one] - (before[other] - before[one])
            ).numpy()
            became[row] = (here.argmax(-1) == other).numpy()
        last = max(place for _, (place, _, _) in turning) + 1
        title = f"{subject.name}, {part}, {len(turning)} pair{'s' * (len(turning) > 1)}"
        names = tuple(f"{opened.layout.carries[0]}.{row.row}" for row in rows)
        maps += [
            HeatMap(
                f"{title}: became the other answer",
                "share",
                names,
                columns[:last],
                became.mean(0)[:, :last],
            ),
            HeatMap(
                f"{title}: logit difference",
                "logits",
                names,
                columns[:last],
                effect.mean(0)[:, :last],
            ),
        ]
        best = np.unravel_index(became.mean(0).argmax(), shape[1:])
        others = np.delete(became[:, best[0], :last], best[1], axis=1)
        rate = Rate(int(became[:, best[0], best[1]].sum()), len(turning))
        figures[part] = {
            "pairs": len(turning),
            "best": {
                "site": names[best[0]],
                "token": columns[best[1]],
                "k": rate.k,
                "n": rate.n,
                "low": rate.low,
                "high": rate.high,
            },
            "random_position": float(others.mean()),
        }
        sentences.append(
            f"{part}: {names[best[0]]} at {columns[best[1]]!r} turns it into the other answer "
            f"in {rate}, a random position of that layer in {others.mean():.2f}"
        )
    return Finding(maps, figures, sentences)


def _trials(
    opened: Opened, pairs: Sequence[Pair], rows: Sequence[Place], length: int
) -> tuple[list[Trial], Tensor]:
    sites = list(dict.fromkeys(site for row in rows for site in row.sites))
    source: Cache = opened.run(batch_ids([pair.source for pair in pairs]), keep=sites).cache
    trials = [
        Trial(
            number,
            tuple(Edit(site, (place,), source[site][number, place]) for site in row.sites),
        )
        for number in range(len(pairs))
        for row in rows
        for place in range(length)
    ]
    return trials, batch_ids([pair.base for pair in pairs])
