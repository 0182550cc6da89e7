"""How much each input and output that stands in a text matters to each part, by several methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.sites import Site
from the_experiment.inside.swaps import Swap
from the_experiment.inside.sweep import TOKENS, Trial, sweep
from the_experiment.inside.taps import Tapped, tapping
from the_experiment.inside.texts import TokenizedExample

STEPS = 16  # between the baseline and the embeddings


def integrated_gradients(
    hooked: HookedModel, ids: Tensor, baseline: Tensor, answers: Sequence[tuple[int, int, int]]
) -> Tensor:
    """(answers, positions): what each token of one text adds to each logit difference.

    `ids` is (positions,), `baseline` (positions, width) what the embeddings are compared with, and
    an answer is a position, a token and its rival: what is told is the difference of their logits
    there. The shares add up to it less what it is on the baseline, but for the steps' coarseness.
    """
    site = Site("embed")
    embedded = hooked.run(ids[None], keep=[site]).cache[site][0]
    middles = (torch.arange(STEPS) + 0.5) / STEPS
    with torch.enable_grad(), torch.inference_mode(False):
        away = embedded.clone() - baseline.clone()  # (positions, width)
        path = baseline.clone() + middles[:, None, None].to(away) * away
        path.requires_grad_()
        tap = Tapped(hooked.layout.sites["embed"], None, lambda _values, _first: path)
        with tapping(hooked.model, [tap]):
            logits = hooked.model(input_ids=ids.expand(STEPS, -1), use_cache=False).logits
        shares = []
        for place, right, rival in answers:
            difference = (logits[:, place, right] - logits[:, place, rival]).mean()
            (slope,) = torch.autograd.grad(difference, path, retain_graph=True)
            shares.append((slope.sum(0) * away).sum(-1))
    return torch.stack(shares).detach()


Numbers = npt.NDArray[np.float64]
Attributions = dict[
    str, Numbers
]  # by part: (texts, names), 0 for a name that stands after the part


@dataclass(frozen=True)
class AttributionQuery:
    """What is measured: texts with their swaps, the names that can matter, and the parts."""

    texts: Sequence[TokenizedExample]
    swaps: Sequence[Swap]
    others: Sequence[TokenizedExample]  # whose mean is the baseline of gradients
    names: tuple[str, ...]
    parts: tuple[str, ...]

    def nothing(self) -> Attributions:
        """No mass anywhere."""
        return {part: np.zeros((len(self.texts), len(self.names))) for part in self.parts}


@dataclass(frozen=True)
class AnsweredPart:
    """Where a part is decided, its right token there, and the likeliest other one."""

    place: int
    right: int
    rival: int

    def margin(self, logits: Tensor) -> float:
        """By how much the right token leads, from logits (positions, vocabulary)."""
        return float(logits[self.place, self.right] - logits[self.place, self.rival])


def logits_of(hooked: HookedModel, texts: Sequence[TokenizedExample]) -> Iterator[Tensor]:
    """(positions, vocabulary) for each text, run batch by batch."""
    for some in _batches(texts):
        for text, logits in zip(some, hooked.run(batch_ids(some)).logits, strict=True):
            yield logits[: len(text.ids) - 1].float()


def _batches(texts: Sequence[TokenizedExample]) -> Iterator[Sequence[TokenizedExample]]:
    rows = max(1, TOKENS // max(len(text.ids) for text in texts))
    for first in range(0, len(texts), rows):
        yield texts[first : first + rows]


def answers_in(
    text: TokenizedExample, logits: Tensor, parts: Sequence[str]
) -> dict[str, AnsweredPart]:
    """The answer of each part that stands in the text, at its first token."""
    found = {}
    for part in parts:
        for place in text.written_at(part)[:1]:
            rivals = logits[place].clone()
            rivals[text.ids[place + 1]] = -torch.inf
            found[part] = AnsweredPart(place, text.ids[place + 1], int(rivals.argmax()))
    return found


def by_swaps(hooked: HookedModel, asked: AttributionQuery) -> Attributions:
    """How far the margin of a part's right token moves when a value before it is another."""
    margins = _Margins(hooked, asked)
    swapped = logits_of(hooked, [swap.changed for swap in asked.swaps])
    attributions = asked.nothing()
    for swap, logits in zip(asked.swaps, swapped, strict=True):
        margins.add(attributions, swap, logits)
    return attributions


def by_patches(hooked: HookedModel, asked: AttributionQuery) -> Attributions:
    """The same where the stream at the value, of one layer at a time, is that of the swapped text.

    What other tokens have read before that layer stays as it was; the layers are added up.
    """
    margins = _Margins(hooked, asked)
    kept = [[Site(kind, layer) for kind in hooked.layout.carries] for layer in range(hooked.layers)]
    trials = []
    for swap, cache in zip(asked.swaps, _caches(hooked, asked.swaps, kept), strict=True):
        at = tuple(swap.changed.read_at(swap.name))
        for sites in kept:
            edits = tuple(Edit(site, at, cache[site][list(at)]) for site in sites)
            trials.append(Trial(swap.text, edits))
    attributions = asked.nothing()
    for numbers, found in sweep(hooked, batch_ids(asked.texts), trials):
        for number, logits in zip(numbers, found, strict=True):
            margins.add(attributions, asked.swaps[number // len(kept)], logits.float())
    return attributions


def _caches(
    hooked: HookedModel, swaps: Sequence[Swap], kept: Sequence[Sequence[Site]]
) -> Iterator[dict[Site, Tensor]]:
    """What these sites hold in each swapped text: (positions, …)."""
    sites = [site for of_layer in kept for site in of_layer]
    for some in _batches([swap.changed for swap in swaps]):
        cache = hooked.run(batch_ids(some), keep=sites).cache
        for row in range(len(some)):
            yield {site: values[row] for site, values in cache.items()}


class _Margins:
    """By how much each text's right tokens lead, unchanged, and how far a change moves that."""

    def __init__(self, hooked: HookedModel, asked: AttributionQuery) -> None:
        self._names = asked.names
        self._answers = []
        self._clean = []
        for text, logits in zip(asked.texts, logits_of(hooked, asked.texts), strict=True):
            answers = answers_in(text, logits, asked.parts)
            self._answers.append(answers)
            self._clean.append({part: one.margin(logits) for part, one in answers.items()})

    def add(self, attributions: Attributions, swap: Swap, logits: Tensor) -> None:
        """Add to `attributions` how far every margin of the swap's text has moved."""
        for part, answer in self._answers[swap.text].items():
            moved = abs(answer.margin(logits) - self._clean[swap.text][part])
            attributions[part][swap.text, self._names.index(swap.name)] += moved


def by_gradients(hooked: HookedModel, asked: AttributionQuery) -> Attributions:
    """The size of what each token adds to a part's margin over the mean text of the same shape.

    Nothing where no other text has that shape.
    """
    attributions = asked.nothing()
    baselines = _mean_embeddings(hooked, asked)
    for number, (text, logits) in enumerate(
        zip(asked.texts, logits_of(hooked, asked.texts), strict=True)
    ):
        answers = answers_in(text, logits, asked.parts)
        found = [(one.place, one.right, one.rival) for one in answers.values()]
        ids = text.inputs[0]
        shares = integrated_gradients(hooked, ids, baselines[text.shape], found).abs()
        for part, share in zip(answers, shares, strict=True):
            attributions[part][number] = _by_name(asked, text, share)
    return attributions


def _mean_embeddings(hooked: HookedModel, asked: AttributionQuery) -> dict[object, Tensor]:
    """By shape of text: (positions, width), the mean over all texts that have it."""
    by_shape: dict[object, list[TokenizedExample]] = {}
    for text in dict.fromkeys([*asked.texts, *asked.others]):
        by_shape.setdefault(text.shape, []).append(text)
    site = Site("embed")
    return {
        shape: hooked.run(batch_ids(texts), keep=[site]).cache[site].mean(0)
        for shape, texts in by_shape.items()
    }


def by_attention(hooked: HookedModel, asked: AttributionQuery) -> Attributions:
    """How much the position that writes a part attends to each name, in the mean over heads."""
    return {part: mass.mean(1) for part, mass in by_head(hooked, asked).items()}


def by_head(hooked: HookedModel, asked: AttributionQuery) -> Attributions:
    """The same head by head, layer after layer: (texts, heads, names) for each part."""
    found: dict[str, list[Numbers]] = {part: [] for part in asked.parts}
    for text in asked.texts:
        cache = hooked.run(text.inputs, keep=hooked.sites("pattern")).cache
        pattern = torch.cat([values[0].transpose(0, 1) for values in cache.values()])
        for part in asked.parts:  # pattern: (heads of all layers, queries, keys)
            heads = pattern[:, text.written_at(part)[0]]
            found[part].append(np.array([_by_name(asked, text, head) for head in heads]))
    return {part: np.array(each) for part, each in found.items()}


def _by_name(asked: AttributionQuery, text: TokenizedExample, mass: Tensor) -> Numbers:
    """(names,) from the mass of each position; a token of two names counts for both."""
    return np.array([float(mass[text.read_at(name)].sum()) for name in asked.names])


Method = Callable[[HookedModel, AttributionQuery], Attributions]

METHODS: Mapping[str, Method] = {
    "swaps": by_swaps,
    "patches": by_patches,
    "gradients": by_gradients,
    "attention": by_attention,
}


def methods_of(hooked: HookedModel) -> list[str]:
    """The methods that this model has what it takes for."""
    attends = "pattern" in hooked.layout.sites
    return [name for name in METHODS if attends or name != "attention"]
