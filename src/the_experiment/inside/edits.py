"""Edits: changes of a model's values at one site, those of a whole batch made at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from the_experiment.inside.sites import Site


@dataclass(frozen=True)
class Edit:
    """A change at some positions of a site: its values × `keep` + `add`.

    `keep` 0 replaces them, 1 adds to them. `add` is (positions, …) or broadcasts to it.
    """

    site: Site
    positions: tuple[int, ...]
    add: Tensor
    keep: float = 0.0

    def before(self, length: int) -> Edit | None:
        """The part of it in a text that has only so many tokens yet; None where there is none."""
        return self._where(lambda place: place < length)

    def since(self, first: int) -> Edit | None:
        """The part of it from a position on; None where there is none."""
        return self._where(lambda place: place >= first)

    def _where(self, is_there: Callable[[int], bool]) -> Edit | None:
        """`add` has to be one number or (positions, …), as all interventions make it."""
        here = [number for number, place in enumerate(self.positions) if is_there(place)]
        if not here:
            return None
        spread = self.add.ndim > 0 and len(self.positions) > 1
        add = self.add[here] if spread else self.add
        return Edit(self.site, tuple(self.positions[number] for number in here), add, self.keep)


class BatchEdits:
    """The edits of one site in all rows of a batch: `edits` has a list for each row."""

    def __init__(self, site: Site, edits: Sequence[Sequence[Edit]]) -> None:
        here = [(row, edit) for row, each in enumerate(edits) for edit in each if edit.site == site]
        counts = torch.tensor([len(edit.positions) for _, edit in here])
        self._index = site.index
        entries = [(row, place) for row, edit in here for place in edit.positions]
        if len(set(entries)) < len(entries):
            raise ValueError(f"{site}: two edits at one position of one row")
        self._rows, self._positions = torch.tensor(entries, dtype=torch.long).view(-1, 2).T
        self._keep = torch.tensor([edit.keep for _, edit in here]).repeat_interleave(counts)
        self._edits = [edit for _, edit in here]
        self._add: Tensor | None = None  # (entries, …), once it is known what a value is like

    def apply(self, values: Tensor, first: int) -> Tensor:
        """`values` (rows, positions, …), the first of them at position `first`, changed."""
        here = (self._positions >= first) & (self._positions < first + values.shape[1])
        if not here.any():
            return values
        place: tuple[Tensor | int, ...] = (self._rows[here], self._positions[here] - first)
        if self._index is not None:
            place = (*place, self._index)
        before = values[place]  # (entries here, …)
        keep = self._keep[here].view(-1, *[1] * (before.ndim - 1)).to(before)
        changed = values.clone()
        changed[place] = before * keep + self._added(before)[here]
        return changed

    def _added(self, like: Tensor) -> Tensor:
        if self._add is None:
            shape = like.shape[1:]
            adds = [edit.add.expand(len(edit.positions), *shape) for edit in self._edits]
            self._add = torch.cat(adds).to(like)
        return self._add
