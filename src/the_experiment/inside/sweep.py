"""Many edits, each on its own, run as rows of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from the_experiment.inside.edits import Edit
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.shortcuts import Recording, Start
from the_experiment.inside.sites import Site

TOKENS = 4096  # of one batch, which bounds its memory
FEWEST = 2  # batches: rows that begin at positions near each other run together


@dataclass(frozen=True)
class Trial:
    """One run of a sweep: the number of its text, and what is edited in it."""

    text: int
    edits: tuple[Edit, ...]


def sweep(
    hooked: HookedModel,
    ids: Tensor,
    trials: Sequence[Trial],
    logits_at: Tensor | None = None,
    recording: Recording | None = None,
) -> Iterator[tuple[list[int], Tensor]]:
    """Run every trial on its text of `ids` (texts, length).

    Yields batch by batch the numbers of its trials, and their logits (trials, positions asked for,
    vocabulary). Each trial begins at the layer that it edits first, on what the unedited run gave
    that layer to read: on `recording`, where these texts have been recorded already.
    """
    rows = max(1, TOKENS // ids.shape[1])
    whole: list[int] = []
    partly: list[int] = []
    for number, trial in enumerate(trials):
        from_start = not hooked.restarts or any(edit.site.kind == "embed" for edit in trial.edits)
        (whole if from_start else partly).append(number)
    for chunk in _chunks(whole, rows):
        texts = ids[torch.tensor([trials[number].text for number in chunk])]
        edits = [trials[number].edits for number in chunk]
        yield chunk, hooked.run(texts, edits, logits_at=logits_at).logits
    if not partly:
        return
    recording = recording or hooked.recorded(ids)
    last = 0 if logits_at is None else int(logits_at.min())
    starts = {number: _start(hooked, trials[number], last) for number in partly}
    partly.sort(key=lambda number: starts[number][1])
    # Without keys and values of its past no text can begin in the middle.
    together = min(rows, -(-len(partly) // FEWEST)) if recording.attended else rows
    for chunk in _chunks(partly, together):
        begins = min(starts[number][1] for number in chunk) if recording.attended else 0
        chunk.sort(key=lambda number: starts[number][0])
        start = Start(
            recording,
            torch.tensor([trials[number].text for number in chunk]),
            torch.tensor([starts[number][0] for number in chunk]),
            begins,
        )
        edits = [trials[number].edits for number in chunk]
        yield chunk, hooked.run(ids, edits, logits_at=logits_at, start=start).logits


def _chunks(numbers: Sequence[int], size: int) -> Iterator[list[int]]:
    for first in range(0, len(numbers), size):
        yield list(numbers[first : first + size])


def _start(hooked: HookedModel, trial: Trial, last: int) -> tuple[int, int]:
    """The layer and the position before which this trial is as the unedited run is."""
    layers = [_layer(hooked, edit.site) for edit in trial.edits]
    positions = [position for edit in trial.edits for position in edit.positions]
    return min(layers, default=hooked.layers - 1), min([last, *positions])


def _layer(hooked: HookedModel, site: Site) -> int:
    return hooked.layers - 1 if site.layer is None else site.layer
