"""Damage to a model and ablations of it, as values that go to JSON and back and can be replayed.

Those on activations become edits (`Edit`) of one text's values, of which patching and steering
are made too; those on weights become other weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from torch import Tensor

from the_experiment.base.defaults import Replacement
from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream, derived_seed
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import TokenizedExample, refuse_mixed_lengths
from the_experiment.inside.weights import Weights, kept_shares


def _known_site(name: str) -> str:
    Site.parse(name)
    return name


SiteName = Annotated[str, AfterValidator(_known_site)]


class Reference:
    """What the sites of a model hold on the texts that others are compared with."""

    def __init__(self, subject: Subject, texts: Sequence[TokenizedExample]) -> None:
        self.subject = subject
        self._texts = texts
        self._whole = lru_cache(maxsize=None)(self._ran)
        self.deviation = lru_cache(maxsize=None)(self._deviation)
        self.others = lru_cache(maxsize=None)(self._others)

    def values(self, site: Site) -> Tensor:
        """(texts, positions, …) of one site on all texts, which must be of one length."""
        refuse_mixed_lengths(self._texts, "ablate with --mode zero")
        return self._run(site)

    def _deviation(self, site: Site) -> Tensor:
        """The standard deviation of all that one site holds, as wide as one value (…)."""
        values = zip(self._run(site), self._texts, strict=True)
        read = torch.cat([value[: len(text.ids) - 1] for value, text in values])  # (tokens, …)
        return read.std().expand(read.shape[1:])

    def _run(self, site: Site) -> Tensor:
        whole = self._whole(site.whole)
        return whole if site.index is None else whole[:, :, site.index]

    def _ran(self, whole: Site) -> Tensor:
        return self.subject.hooked.run(batch_ids(self._texts), keep=[whole]).cache[whole]

    def _others(self, prompt: str) -> list[int]:
        """The numbers of the texts that have another prompt."""
        found = [number for number, text in enumerate(self._texts) if text.prompt != prompt]
        if not found:
            raise UsageError(
                "there is no other seen state to take values from",
                "ablate with --mode zero",
            )
        return found


class _Intervention(BaseModel):
    # JSON has no word for what is no number.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _OnActivations(_Intervention):
    """At these positions, or those of the tokens from the t-th generated one on; else at all."""

    positions: tuple[int, ...] | None = None
    from_token: Annotated[int, Field(ge=1)] | None = None  # 1: the first that the model writes

    @model_validator(mode="after")
    def _one_limit(self) -> _OnActivations:
        if self.positions is not None and self.from_token is not None:
            raise ValueError("give positions or from_token, not both")
        return self

    def edits(
        self, reference: Reference, text: TokenizedExample, length: int | None = None
    ) -> list[Edit]:
        """What is changed in this text, or where it goes on to so many tokens that are read.

        Raises `IndexError` where values are taken from texts that are not that long.
        """
        raise NotImplementedError

    def places(self, text: TokenizedExample, length: int | None = None) -> tuple[int, ...]:
        """The positions it is limited to; none in a text that ends before the t-th token.

        Raises `UsageError` for a position that the text doesn't have.
        """
        length = len(text.ids) - 1 if length is None else length
        if self.positions is not None:
            if not all(0 <= place < length for place in self.positions):
                raise UsageError(f"positions {self.positions}: the text has 0 to {length - 1}")
            return self.positions
        return tuple(range(first_place(text, self.from_token), length))


class Ablate(_OnActivations):
    """Zero, the reference texts' mean at each position, or another's of them drawn by `seed`."""

    kind: Literal["ablate"] = "ablate"
    site: SiteName
    mode: Replacement = "mean"
    seed: int = 0

    def edits(
        self, reference: Reference, text: TokenizedExample, length: int | None = None
    ) -> list[Edit]:
        site, places = Site.parse(self.site), self.places(text, length)
        if self.mode == "zero":
            return [Edit(site, places, torch.zeros(()))]
        values = reference.values(site)[:, list(places)]  # (texts, places, …)
        if self.mode == "mean":
            return [Edit(site, places, values.mean(0))]
        others = reference.others(text.prompt)
        # Not by site: what a layer has at its sites comes from one text.
        drawn = Stream(self.seed, "resample", text.prompt).below(len(others), 1)[0]
        return [Edit(site, places, values[others[drawn]])]


class Prune(_OnActivations):
    """A piece of the model is silent: `layer:3`, `head:2.1`, `mlp:0`, `neuron:1.37`."""

    kind: Literal["prune"] = "prune"
    piece: str

    def edits(
        self, reference: Reference, text: TokenizedExample, length: int | None = None
    ) -> list[Edit]:
        places = self.places(text, length)
        sites = sites_of(reference.subject.hooked, self.piece)
        return [Edit(site, places, torch.zeros(())) for site in sites]


class Noise(_OnActivations):
    """Gaussian noise, `scale` times the deviation that the site has over the reference texts."""

    kind: Literal["noise"] = "noise"
    site: SiteName
    scale: float
    seed: int = 0

    def edits(
        self, reference: Reference, text: TokenizedExample, length: int | None = None
    ) -> list[Edit]:
        site, places = Site.parse(self.site), self.places(text, length)
        deviation = reference.deviation(site)
        # One number after the other, as torch.randn does not: a longer text begins with the same.
        generator = np.random.default_rng(derived_seed(self.seed, self.site, text.prompt))
        noise = generator.standard_normal((len(places), *deviation.shape), dtype=np.float32)
        return [Edit(site, places, torch.from_numpy(noise) * self.scale * deviation, keep=1.0)]


class _OnWeights(_Intervention):
    """A share of the weights, drawn by `seed` among those of parameters whose name fits `of`."""

    share: Annotated[float, Field(ge=0, le=1)]
    of: str = "*"
    seed: int = 0
    from_token: Annotated[int, Field(ge=1)] | None = None

    def weights(self, hooked: HookedModel) -> Weights:
        """The parameters that change, as they are then, by name."""
        named = {
            name: parameter.detach()
            for name, parameter in hooked.model.named_parameters()
            if fnmatchcase(name, self.of)
        }
        if not named:
            raise UsageError(f"no parameter is called {self.of!r}")
        hit = kept_shares(named, self.share, self.seed)
        return {name: self._changed(named[name], chosen) for name, chosen in hit.items()}

    def _changed(self, values: Tensor, chosen: Tensor) -> Tensor:
        raise NotImplementedError


class FlipWeights(_OnWeights):
    """Their signs are turned."""

    kind: Literal["flip"] = "flip"

    def _changed(self, values: Tensor, chosen: Tensor) -> Tensor:
        return torch.where(chosen, -values, values)


class ZeroWeights(_OnWeights):
    """They are zero."""

    kind: Literal["zero-weights"] = "zero-weights"

    def _changed(self, values: Tensor, chosen: Tensor) -> Tensor:
        return torch.where(chosen, torch.zeros_like(values), values)


Intervention = Annotated[
    Ablate | Prune | Noise | FlipWeights | ZeroWeights, Field(discriminator="kind")
]
INTERVENTIONS: TypeAdapter[Intervention] = TypeAdapter(Intervention)


def pieces_of(hooked: HookedModel, each: str) -> dict[str, list[Site]]:
    """The pieces of a kind by name (`head:2.1`), with the sites that are silent without each.

    Raises `UsageError` for a kind that this model doesn't have.
    """
    known = hooked.layout.components
    if each not in known:
        raise UsageError(f"this model has no {each!r} to ablate", f"it has {', '.join(known)}")
    component = known[each]
    if not component.each:
        return {
            f"{each}:{layer}": [Site(kind, layer) for kind in component.kinds]
            for layer in range(hooked.layers)
        }
    (kind,) = component.kinds
    return {
        f"{each}:{site.layer}.{index}": [Site(kind, site.layer, index)]
        for site in hooked.sites(kind)
        for index in range(hooked.width(site))
    }


def sites_of(hooked: HookedModel, piece: str) -> list[Site]:
    """The sites that are silent without a piece. Raises `UsageError` for what is none."""
    pieces = pieces_of(hooked, piece.partition(":")[0])
    if piece not in pieces:
        first, *_, last = pieces
        raise UsageError(f"there is no {piece} in this model", f"from {first} to {last}")
    return pieces[piece]


def first_place(text: TokenizedExample, from_token: int | None) -> int:
    """The position at which the t-th token of the completion is decided (from 1); 0 for None."""
    return 0 if from_token is None else text.begins - 2 + from_token
