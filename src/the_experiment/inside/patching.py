"""Activation patching: what one run holds at a place is put into another, and what turns?

Meng et al., "Locating and Editing Factual Associations in GPT", NeurIPS 2022 (causal tracing);
Zhang and Nanda, "Towards Best Practices of Activation Patching", ICLR 2024 (measures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from the_experiment.base.seeds import Stream
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.hooked_model import Cache, HookedModel
from the_experiment.inside.sites import Site
from the_experiment.inside.sweep import Trial, sweep
from the_experiment.inside.texts import TokenizedExample

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """A text, and one whose values are put into it; each with its right completion."""

    base: TokenizedExample
    source: TokenizedExample

    @property
    def alike(self) -> bool:
        """Whether a position is the same place in both."""
        return self.base.shape == self.source.shape

    def turns(self, part: str) -> tuple[int, int, int] | None:
        """Where the answers first differ in a part, and the two tokens; None where they don't."""
        for place in self.base.written_at(part):
            one, other = self.base.ids[place + 1], self.source.ids[place + 1]
            if one != other:
                return place, one, other
        return None


@dataclass(frozen=True)
class Turns:
    """Where the answers of each pair first differ in each part: (pairs, parts)."""

    first: int  # the first position whose logits are read
    places: Tensor  # from `first` on
    base: Tensor  # the token of the one answer there; the same as the other where none differ
    source: Tensor

    @property
    def differ(self) -> Tensor:
        """Whether they differ at all."""
        return self.base != self.source

    def read(self, logits: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """The likeliest tokens, and the source's logit less the base's: (runs, parts) each.

        `logits` are (runs, positions from `first` on, vocabulary), `pairs` (runs,) the pair of
        each run.
        """
        there = logits[torch.arange(len(logits))[:, None], self.places[pairs]].float()
        ours, theirs = (there.gather(-1, one[pairs, :, None]) for one in (self.base, self.source))
        return there.argmax(-1), (theirs - ours).squeeze(-1)


def turns_of(pairs: Sequence[Pair], parts: Sequence[str]) -> Turns:
    """What can turn in these pairs, which are all of one shape."""
    first = pairs[0].base.begins - 1
    none = (first, 0, 0)
    found = torch.tensor([[pair.turns(part) or none for part in parts] for pair in pairs])
    return Turns(first, found[..., 0] - first, found[..., 1], found[..., 2])


@dataclass(frozen=True)
class Patched:
    """What each patch of a table did. Its rows are layers, its columns are pieces of one kind."""

    of: str  # a column is a position, a role, a head or a gate
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    became: Flags  # (pairs, rows, columns, parts if it is of all): whether it is the other answer
    effect: Numbers  # … by how much the logit difference went towards the other answer

    def of_part(self, number: int, pairs: Flags, end: int) -> Patched:
        """Of one part, in these pairs: (pairs, rows, columns), positions only as far as `end`."""
        stop = end if self.of == "position" else None
        became = self.became[pairs, :, :stop, number]
        effect = self.effect[pairs, :, :stop, number]
        return Patched(self.of, self.rows, self.columns[:stop], became, effect)


class Patching:
    """The runs of all pairs, which are of one shape, and patches of one into the other."""

    def __init__(self, hooked: HookedModel, pairs: Sequence[Pair], parts: Sequence[str]) -> None:
        self._hooked, self._pairs = hooked, pairs
        self._bases = batch_ids([pair.base for pair in pairs])
        self._sources = batch_ids([pair.source for pair in pairs])
        self._turns = turns_of(pairs, parts)
        self._asked = torch.arange(self._turns.first, self._bases.shape[1])
        # Before it a pair's runs hold the same: (pairs,).
        self._first = (self._bases != self._sources).numpy().argmax(1).tolist()
        one, self._clean = self._unpatched(self._bases)
        self._wrong_already = one == self._turns.source  # (pairs, parts)
        other, _ = self._unpatched(self._sources)
        turns = self._turns
        both = turns.differ & (one == turns.base) & (other == turns.source)
        self.differ: Flags = turns.differ.numpy()  # (pairs, parts)
        # What is wrong already can't become the other answer.
        self.answered: Flags = both.numpy()  # … and the model is right in both

    def at_positions(self, layers: Sequence[int] | None = None) -> Patched:
        """All that a layer (one of `layers`) holds at one position comes from the other run."""
        length = self._bases.shape[1]
        base = self._pairs[0].base
        names = base.labels if len(self._pairs) == 1 else base.part_labels
        return self.at_places(
            "position", names[:length], [(place,) for place in range(length)], layers
        )

    def at_places(
        self,
        of: str,
        columns: Sequence[str],
        places: Sequence[tuple[int, ...]],
        layers: Sequence[int] | None = None,
    ) -> Patched:
        """All that a layer holds at some positions at once: each of `places` is a column.

        `layers` are the rows (all of them).
        """
        layout = self._hooked.layout
        carried = [
            [Site(kind, layer) for kind in layout.carries]
            for layer in (range(self._hooked.layers) if layers is None else layers)
        ]
        held = self._held([site for sites in carried for site in sites])
        trials = [
            Trial(
                number,
                tuple(Edit(site, where, held[site][number, list(where)]) for site in sites),
            )
            for number in range(len(self._pairs))
            for sites in carried
            for where in places
        ]
        return self._patched(trials, of, tuple(str(sites[0]) for sites in carried), tuple(columns))

    def in_pieces(
        self,
        piece: str,
        places: tuple[int, ...] | None = None,
        layers: Sequence[int] | None = None,
    ) -> Patched:
        """One head or gate of a layer comes from the other run, at every position at once.

        Or only at those of `places`. What it holds after a part is decided can't matter to it.
        """
        (kind,) = self._hooked.layout.components[piece].kinds
        sites = [
            site for site in self._hooked.sites(kind) if layers is None or site.layer in layers
        ]
        held = self._held(sites)
        where = tuple(range(self._bases.shape[1])) if places is None else places
        pieces = range(held[sites[0]].shape[2])
        trials = [
            Trial(
                number,
                (Edit(Site(kind, site.layer, one), where, values[number, list(where), one]),),
            )
            for number in range(len(self._pairs))
            for site, values in held.items()
            for one in pieces
        ]
        columns = tuple(f"{piece} {one}" for one in pieces)
        return self._patched(trials, piece, tuple(map(str, sites)), columns)

    def _unpatched(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        logits = self._hooked.run(ids, logits_at=self._asked).logits
        return self._turns.read(logits, torch.arange(len(ids)))

    def _held(self, sites: Sequence[Site]) -> Cache:
        return self._hooked.run(self._sources, keep=sites).cache

    def _patched(
        self, trials: Sequence[Trial], of: str, rows: tuple[str, ...], columns: tuple[str, ...]
    ) -> Patched:
        of_pairs = [trial.text for trial in trials]
        became = self._wrong_already[of_pairs].numpy()  # (trials, parts)
        effect = np.zeros(became.shape)
        edited = [self._where_runs_differ(trial) for trial in trials]
        run = [number for number, trial in enumerate(edited) if trial.edits]
        swept = sweep(self._hooked, self._bases, [edited[number] for number in run], self._asked)
        for places, logits in swept:
            numbers = [run[place] for place in places]
            pairs = torch.tensor([of_pairs[number] for number in numbers])
            likeliest, toward = self._turns.read(logits, pairs)
            became[numbers] = (likeliest == self._turns.source[pairs]).numpy()
            effect[numbers] = (toward - self._clean[pairs]).numpy()
        shape = (len(self._pairs), len(rows), len(columns), became.shape[1])
        return Patched(of, rows, columns, became.reshape(shape), effect.reshape(shape))

    def _where_runs_differ(self, trial: Trial) -> Trial:
        """The same without positions before the first at which the two texts differ."""
        edits = (edit.since(self._first[trial.text]) for edit in trial.edits)
        return replace(trial, edits=tuple(filter(None, edits)))


def at_random(became: Flags, best: int, stream: Stream) -> list[Rate]:
    """By row, the pairs that turn in a column drawn for each of them, which is never the best.

    `became` is (pairs, rows, columns) with two columns at least.
    """
    pairs, rows, columns = became.shape
    drawn = stream.below(columns - 1, pairs * rows).reshape(pairs, rows)
    drawn += drawn >= best
    hits = np.take_along_axis(became, drawn[..., None], axis=2).sum((0, 2))
    return [Rate(int(k), pairs) for k in hits]
