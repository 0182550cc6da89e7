"""Greedy decoding under interventions, the whole text run anew for every token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from the_experiment.inside.edits import Edit
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.weights import Weights
from the_experiment.models.texts import padded

# For a row and how many tokens it has now, the edits of this run.
EditsOf = Callable[[int, int], Sequence[Edit]]


def written(
    hooked: HookedModel,
    beginnings: Sequence[Sequence[int]],
    most: int,
    end: int,
    edits_of: EditsOf | None = None,
    weights: Weights | None = None,
    weights_from: int = 0,
) -> list[list[int]]:
    """The likeliest tokens after each beginning, at most so many, without the end token.

    Each step runs the texts anew, so that an edit at a position acts on all that comes after it.
    """
    texts = [list(beginning) for beginning in beginnings]
    open_rows = list(range(len(texts)))
    for _ in range(most):
        if not open_rows:
            break
        ids = padded([texts[row] for row in open_rows], end)
        lengths = torch.tensor([len(texts[row]) for row in open_rows])
        edits = [edits_of(row, len(texts[row])) for row in open_rows] if edits_of else ()
        places, which = (lengths - 1).unique(return_inverse=True)
        ran = hooked.run(ids, edits, logits_at=places, weights=weights, weights_from=weights_from)
        following = ran.logits[torch.arange(len(ids)), which].argmax(-1).tolist()
        for row, token in zip(list(open_rows), following, strict=True):
            if token == end:
                open_rows.remove(row)
            else:
                texts[row].append(token)
    return [text[len(begun) :] for text, begun in zip(texts, beginnings, strict=True)]
