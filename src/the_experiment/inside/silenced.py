"""Pieces of a model silenced for as long as a block runs, whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.layout import check_site
from the_experiment.inside.sites import Site
from the_experiment.inside.sweep import TOKENS
from the_experiment.inside.taps import Tapped, Visit, tapping
from the_experiment.models.texts import padded

Means = Mapping[Site, Tensor]  # by whole site: what it holds on average, as wide as one value (…)


@contextmanager
def ablated(
    hooked: HookedModel, sites: Sequence[Site], means: Means | None = None
) -> Iterator[None]:
    """Within the block these sites, or heads of them, hold zero, or their mean, at every token.

    That goes for each run of the model: for texts with padding, and for the single tokens of a
    generation that keeps keys and values. Raises `UsageError` for a site that there is not, and
    `NeverFiredError` at the end where one of them never came by.
    """
    for site in sites:
        check_site(site.whole, hooked.layout, hooked.layers)
    taps = [
        Tapped(hooked.layout.sites[site.kind], site.layer, _holding(site, means)) for site in sites
    ]
    with tapping(hooked.model, taps):
        yield


def _holding(site: Site, means: Means | None) -> Visit:
    mean = torch.zeros(()) if means is None else means[site.whole]
    held = mean if site.index is None or means is None else mean[site.index]

    def visit(values: Tensor, _: int) -> Tensor:
        changed = values.clone()
        (changed if site.index is None else changed[:, :, site.index])[...] = held.to(values)
        return changed

    return visit


def means_of(hooked: HookedModel, sites: Sequence[Site], texts: Sequence[Sequence[int]]) -> Means:
    """What each whole site holds on average over all tokens of the texts."""
    totals: dict[Site, Tensor] = {}
    rows = max(1, TOKENS // max(map(len, texts)))
    for first in range(0, len(texts), rows):
        chunk = texts[first : first + rows]
        # Padded on the right, where nothing of it is seen from the tokens before.
        ids = padded(chunk, 0).to(hooked.model.device)
        read = padded([[1] * len(text) for text in chunk], 0).bool()
        for site, values in hooked.run(ids, keep=sites).cache.items():
            total = values[read.to(values.device)].float().sum(0)
            totals[site] = totals[site] + total if site in totals else total
    tokens = sum(map(len, texts))
    return {site: total / tokens for site, total in totals.items()}
