"""What a model holds while it writes: attention, lens, activations, weights, logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor, nn

from the_experiment.base.defaults import Maps
from the_experiment.base.errors import UsageError
from the_experiment.engine.outcome import SHARES, HeatMap, Outcome
from the_experiment.inside.attributions import by_head
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.maps import graded_map, query_for, score_told
from the_experiment.inside.scores import gradable, on_ancestors
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import TokenizedExample, visible

MOST_CELLS = 128  # rows and columns of a map of weights; larger matrices are averaged down to it


@verb("inspect")
class Inspect(VerbRequest):
    """The maps of one kind for a sequence and its right completion."""

    sequence: str
    what: Maps
    site: str | None = None  # attention and activations: of this site alone
    seed: int = 0  # of the untrained model that attention is held against

    @model_validator(mode="after")
    def _site_has_a_use(self) -> Inspect:
        if self.site and self.what not in ("attention", "activations"):
            raise ValueError(f"--what {self.what} takes no --site; attention and activations do")
        return self

    def run(self, subject: Subject) -> Outcome:
        """Raises `UsageError` where the model has nothing of that kind."""
        text = subject.text(self.sequence)
        site = _known(subject.hooked, Site.parse(self.site)) if self.site else None
        maps = _MAPS[self.what](subject, text, site)
        if self.what != "attention" or site is not None or not gradable(subject.world):
            return Outcome(maps)
        graded, scores = graded_map(
            subject, query_for(subject, [text]), "attention", self.sequence, self.seed
        )
        told = [score_told(part, "attention", of) for part, of in scores.items()]
        return Outcome([graded, _heads_graded(subject, text), *maps], scores, told)


def _known(hooked: HookedModel, site: Site) -> Site:
    """Raises `UsageError` for a head or channel that the site doesn't have."""
    if site.index is not None and site.index >= hooked.width(site.whole):
        most = hooked.width(site.whole) - 1
        raise UsageError(f"{site} is not a site of this model", f"{site.whole} has 0 to {most}")
    return site


def attention(subject: Subject, text: TokenizedExample, site: Site | None) -> list[HeatMap]:
    """From each position (row) to each position (column), a map for each head."""
    hooked = subject.hooked
    if "pattern" not in hooked.layout.sites:
        raise UsageError(
            f"{subject.name} has no attention: it is a {hooked.model.config.model_type} model",
            f"its sites are {', '.join(hooked.layout.sites)}; try --what activations",
        )
    if site is not None and site.kind != "pattern":
        raise UsageError(
            f"{site} is not an attention site", "give pattern.0.1, or --what activations"
        )
    sites = [site.whole] if site else hooked.sites("pattern")
    cache = hooked.run(text.inputs, keep=sites).cache
    names = text.labels[:-1]
    maps = []
    for one in sites:
        pattern = cache[one][0].transpose(0, 1).double().numpy()  # (heads, queries, keys)
        for head, values in enumerate(pattern):
            if site is None or site.index in (None, head):
                maps.append(
                    HeatMap(
                        f"pattern.{one.layer}.{head}",
                        "attention",
                        names,
                        names,
                        values,
                        span=SHARES,
                    )
                )
    return maps


def _heads_graded(subject: Subject, text: TokenizedExample) -> HeatMap:
    """How much of each head's attention to inputs and outputs is on a part's causal ancestors."""
    world, hooked = subject.world, subject.hooked
    asked = query_for(subject, [text])
    attributions = by_head(hooked, asked)  # by part: (1, heads, names)
    parts = gradable(world)
    shares = [
        [on_ancestors(world, p, asked.names, head[None]) for head in attributions[p][0]]
        for p in parts
    ]
    heads = [
        str(Site(one.kind, one.layer, head))
        for one in hooked.sites("pattern")
        for head in range(hooked.width(one))
    ]
    title = (
        f"{subject.name}, {text.prompt}: how much of each head's attention is on causal ancestors"
    )
    return HeatMap(title, "share", tuple(heads), parts, np.array(shares).T, span=SHARES)


def lens(subject: Subject, text: TokenizedExample, _: Site | None = None) -> list[HeatMap]:
    """What each layer would write if the model ended there (nostalgebraist's logit lens, 2020).

    The stream after each layer goes through the model's own last norm and unembedding. Rows are
    layers, columns the tokens of the completion; values the probability of the token there.
    """
    hooked = subject.hooked
    kind = "resid_post" if "resid_post" in hooked.layout.sites else hooked.layout.stream
    sites = [Site("embed"), *hooked.sites(kind)]
    cache = hooked.run(text.inputs, keep=sites).cache
    places = list(text.completing)
    rows, words = [], []
    for site in sites:
        logits = unembedded(subject, cache[site][0, places])
        likely = logits.softmax(-1)  # (places, vocabulary)
        rows.append(likely.gather(-1, text.targets[places, None]).squeeze(-1))
        words.append(tuple(shown_tokens(subject, likely.argmax(-1))))
    columns = tuple(text.labels[place + 1] for place in places)
    title = f"lens of {subject.name}: {text.prompt}"
    unit = "probability of this token"
    values = torch.stack(rows).double().numpy()
    return [HeatMap(title, unit, tuple(map(str, sites)), columns, values, tuple(words), SHARES)]


def activations(
    subject: Subject, text: TokenizedExample, site: Site | None = None
) -> list[HeatMap]:
    """Of one site: each channel (row) at each position; of none: how large each site is there."""
    hooked = subject.hooked
    columns = text.labels[:-1]
    if site is not None:
        values = hooked.run(text.inputs, keep=[site]).cache[site][0].flatten(1).T
        rows = tuple(map(str, range(len(values))))
        return [HeatMap(str(site), "value", rows, columns, values.double().numpy())]
    kinds = [kind for kind in hooked.layout.sites if kind != "pattern"]
    sites = [site for kind in kinds for site in hooked.sites(kind)]
    cache = hooked.run(text.inputs, keep=sites).cache
    sizes = [cache[site][0].flatten(1).square().mean(-1).sqrt() for site in sites]
    title = f"activations of {subject.name}: {text.prompt}"
    values = torch.stack(sizes).double()
    return [HeatMap(title, "root mean square", tuple(map(str, sites)), columns, values.numpy())]


def weights(subject: Subject, _: TokenizedExample, __: Site | None = None) -> list[HeatMap]:
    """Every matrix of the model, large ones averaged down to 128 × 128 cells."""
    maps = []
    for name, parameter in subject.hooked.model.named_parameters():
        if parameter.ndim >= 2:
            matrix = parameter.detach().flatten(1)
            small = nn.functional.adaptive_avg_pool2d(
                matrix[None], (min(MOST_CELLS, len(matrix)), min(MOST_CELLS, matrix.shape[1]))
            )[0]
            rows, columns = (tuple(map(str, range(size))) for size in small.shape)
            title = f"{name} {tuple(parameter.shape)}"
            maps.append(HeatMap(title, "weight", rows, columns, small.double().numpy()))
    return maps


def logits(subject: Subject, text: TokenizedExample, _: Site | None = None) -> list[HeatMap]:
    """The probability of every token (row) at each place of the completion."""
    likely = subject.hooked.run(text.inputs).logits[0, list(text.completing)].softmax(-1)
    columns = tuple(text.labels[place + 1] for place in text.completing)
    rows = tuple(shown_tokens(subject, torch.arange(likely.shape[-1])))
    title = f"logits of {subject.name}: {text.prompt}"
    return [HeatMap(title, "probability", rows, columns, likely.T.double().numpy(), span=SHARES)]


def unembedded(subject: Subject, stream: Tensor) -> Tensor:
    """The logits that the model's last norm and unembedding make of (…, width)."""
    model, layout = subject.hooked.model, subject.hooked.layout
    with torch.inference_mode():
        made: Tensor = model.get_submodule(layout.unembed)(model.get_submodule(layout.norm)(stream))
    return made


def shown_tokens(subject: Subject, ids: Tensor) -> list[str]:
    """Single tokens as people see them."""
    _, tokenizer = subject.trained.loaded
    return [visible(str(tokenizer.decode([number]))) for number in ids.tolist()]


_MAPS: dict[str, Callable[[Subject, TokenizedExample, Site | None], list[HeatMap]]] = {
    "attention": attention,
    "lens": lens,
    "activations": activations,
    "weights": weights,
    "logits": logits,
}
