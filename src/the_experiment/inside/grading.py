"""What a model under interventions writes, and how right the right completions stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from the_experiment.inside.edits import Edit
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.sweep import Trial, sweep
from the_experiment.inside.texts import TokenizedExample
from the_experiment.inside.weights import Weights
from the_experiment.models.texts import padded
from the_experiment.worlds import EXACT

# For a row and how many tokens it has now, the edits of this run.
EditsOf = Callable[[int, int], Sequence[Edit]]


def decode_with_edits(
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


Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Graded:
    """Each trial's completion, all right tokens before being given: (trials, measures)."""

    measures: tuple[str, ...]  # EXACT, then the parts
    right: Flags  # whether every token of the part is the likeliest
    logprob: Numbers  # of the right tokens of the part, natural logarithm


def batch_ids(texts: Sequence[TokenizedExample]) -> Tensor:
    """(texts, positions): what the model reads; shorter ones are filled up behind their end."""
    return padded([text.ids[:-1] for text in texts], texts[0].ids[-1])


def graded(
    hooked: HookedModel,
    texts: Sequence[TokenizedExample],
    parts: Sequence[str],
    trials: Sequence[Trial],
) -> Graded:
    """Grade each trial. The first wrong token is the same with the model's own tokens before it."""
    measures = (EXACT, *parts)
    places = [[list(text.completing), *(text.written_at(part) for part in parts)] for text in texts]
    right = np.zeros((len(trials), len(measures)), dtype=np.bool_)
    logprob = np.zeros((len(trials), len(measures)))
    first = min(text.begins for text in texts) - 1
    ids = batch_ids(texts)
    asked = torch.arange(first, ids.shape[1])
    targets = padded([text.ids[1:] for text in texts], 0)[:, first:]  # (texts, asked)
    for numbers, logits in sweep(hooked, ids, trials, asked):
        goal = targets[torch.tensor([trials[number].text for number in numbers])]
        chances = logits.float().log_softmax(-1)
        given = chances.gather(-1, goal[..., None]).squeeze(-1).double().numpy()
        likeliest = (chances.argmax(-1) == goal).numpy()
        for row, number in enumerate(numbers):
            for column, where in enumerate(places[trials[number].text]):
                here = [place - first for place in where]
                right[number, column] = likeliest[row, here].all()
                logprob[number, column] = given[row, here].sum()
    return Graded(measures, right, logprob)
