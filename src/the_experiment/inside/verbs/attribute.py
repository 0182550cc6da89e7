"""Direct logit attribution: what each head and MLP adds to the answer's logit at the end.

Elhage et al., "A Mathematical Framework for Transformer Circuits", 2021. The stream is a sum, and
with the last norm's scale held fixed so is the logit difference: shares add up to it exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.maps import graded_map, query_for, score_told
from the_experiment.inside.scores import field_names
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import TokenizedExample

MOST_STATES = 64  # of one kind
OFFSET = "norm's offset"  # what the last norm adds, whatever the stream holds


@verb("attribute")
class Attribute(VerbRequest):
    """One sequence, or the mean over all states where none is given."""

    sequence: str | None = None
    seed: int = 0

    def run(self, subject: Subject) -> Outcome:
        """Maps of what each piece, and each value that is read, adds to the right token's lead."""
        if self.sequence is not None:
            return self._attributed(subject, {self.sequence: [subject.text(self.sequence)]})
        texts = {
            f"{len(states)} {kind} states": subject.texts(states)
            for kind, states in subject.drawn(MOST_STATES, self.seed).items()
        }
        return self._attributed(subject, texts)

    def _attributed(
        self, subject: Subject, texts: Mapping[str, Sequence[TokenizedExample]]
    ) -> Outcome:
        maps, figures, sentences = [], {}, []
        if subject.hooked.layout.adds:
            maps = [_map(subject, some, which) for which, some in texts.items()]
        else:
            sentences = [
                f"{subject.name} has no residual stream: nothing adds up to its logits, and what "
                "its pieces do is told by `ablate`"
            ]
        for which, some in texts.items() if field_names(subject.world) else ():
            asked = query_for(subject, some)
            heat_map, figures[which] = graded_map(subject, asked, "gradients", which, self.seed)
            maps.append(heat_map)
            sentences += [
                f"{which}, {score_told(part, 'gradients', of)}"
                for part, of in figures[which].items()
            ]
        return Outcome(maps, figures, sentences)


def _map(subject: Subject, texts: Sequence[TokenizedExample], which: str) -> HeatMap:
    parts = subject.world.parts
    found: dict[str, list[list[float]]] = {}
    for text in texts:
        for name, shares in contributions(subject.hooked, text, parts).items():
            found.setdefault(name, []).append(shares)
    values = np.array([np.mean(rows, axis=0) for rows in found.values()])
    title = f"{subject.name}, {which}: what each piece adds to the answer over its best rival"
    return HeatMap(title, "logits", tuple(found), tuple(parts), values)


def contributions(
    hooked: HookedModel, text: TokenizedExample, parts: Sequence[str]
) -> dict[str, list[float]]:
    """By piece: its share of the logit difference at the first token of each part.

    Pieces are the embedding, each head, biases, and each MLP or layer; they add up to the
    difference between the right token's logit and that of the likeliest other token.
    """
    layout = hooked.layout
    kinds = [*layout.adds, *(["z"] if "z" in layout.sites else [])]
    keep = [site for kind in kinds for site in hooked.sites(kind)]
    last = hooked.sites("resid_post")[-1]
    first = hooked.sites("resid_pre")[0]
    ran = hooked.run(text.inputs, keep=[*keep, first, last])
    found: dict[str, list[float]] = {}
    for part in parts:
        place = text.written_at(part)[0]
        direction, offset, scale = _reading(
            hooked, ran.cache[last][0, place], ran.logits[0, place], text.ids[place + 1]
        )

        def share(value: Tensor, along: Tensor = direction, by: Tensor = scale) -> float:
            return float(_centred(hooked, value) @ along / by)

        shares = {"embed": share(ran.cache[first][0, place])}
        for site in keep:
            value = ran.cache[site][0, place]
            if site.kind == "attn_out":
                heads = _by_head(
                    hooked, site.layer or 0, ran.cache[Site("z", site.layer)][0, place]
                )
                for head, added in enumerate(heads):
                    shares[f"head {site.layer}.{head}"] = share(added)
                shares[f"attention {site.layer} bias"] = share(value - heads.sum(0))
            elif site.kind != "z":
                shares[str(site)] = share(value)
        shares[OFFSET] = offset
        for name, each in shares.items():
            found.setdefault(name, []).append(each)
    return found


def _reading(
    hooked: HookedModel, stream: Tensor, logits: Tensor, right: int
) -> tuple[Tensor, float, Tensor]:
    """The direction (width,) that the difference is read along, what the norm adds, its divisor."""
    rivals = logits.clone()
    rivals[right] = -torch.inf
    unembed = hooked.model.get_submodule(hooked.layout.unembed)
    norm = hooked.model.get_submodule(hooked.layout.norm)
    assert isinstance(unembed.weight, Tensor)
    assert isinstance(norm.weight, Tensor)
    difference = (unembed.weight[right] - unembed.weight[int(rivals.argmax())]).detach()
    bias = getattr(norm, "bias", None)
    offset = float(bias.detach() @ difference) if bias is not None else 0.0
    epsilon = float(getattr(norm, "eps", None) or norm.variance_epsilon)
    scale = (_centred(hooked, stream).square().mean() + epsilon).sqrt()
    return norm.weight.detach() * difference, offset, scale


def _centred(hooked: HookedModel, value: Tensor) -> Tensor:
    """As the last norm takes it: less its mean for a LayerNorm, as it is for an RMSNorm."""
    norm = hooked.model.get_submodule(hooked.layout.norm)
    return value - value.mean() if isinstance(norm, nn.LayerNorm) else value


def _by_head(hooked: HookedModel, layer: int, z: Tensor) -> Tensor:
    """(heads, width): what each head of a layer adds, from z (heads, size)."""
    place = hooked.layout.sites["z"]
    projection = hooked.model.get_submodule(place.module.format(layer=layer))
    assert isinstance(projection.weight, Tensor)
    weight = projection.weight.detach()
    if isinstance(projection, nn.Linear):  # (out, in); GPT-2's Conv1D has it the other way round
        weight = weight.t()
    return torch.einsum("hs,hsw->hw", z, weight.view(*z.shape, -1))
