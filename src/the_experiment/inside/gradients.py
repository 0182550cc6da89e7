"""Integrated gradients: what each token adds to an answer, in any model that embeds tokens.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.sites import Site
from the_experiment.inside.taps import Tapped, tapping

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
