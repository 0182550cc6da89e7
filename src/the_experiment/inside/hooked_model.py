"""A model that can be looked into: it runs with edits at its sites, and what they hold is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import derived_seed
from the_experiment.inside.edits import BatchEdits, Edit
from the_experiment.inside.layout import check_site, layout_of
from the_experiment.inside.shortcuts import Recording, Start, only_at, started
from the_experiment.inside.sites import Site
from the_experiment.inside.taps import STATES, Tapped, Visit, tapping
from the_experiment.inside.weights import Weights, other_weights
from the_experiment.models.scoring import past_name

Cache = dict[Site, Tensor]  # by site: (rows, positions, …)


@dataclass(frozen=True)
class Ran:
    """What came out of a run: logits (rows, positions asked for, vocabulary), and what was kept.

    Both on the CPU, wherever the model is.
    """

    logits: Tensor
    cache: Cache = field(default_factory=dict)


class HookedModel:
    """A model in evaluation mode and the table of its sites.

    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=2, n_head=2)).eval()
    >>> sites = [Site("z", 1), Site("pattern", 0)]
    >>> ran = HookedModel(model).run(torch.tensor([[1, 2, 3]]), keep=sites)
    >>> [(str(site), tuple(values.shape)) for site, values in ran.cache.items()]
    [('z.1', (1, 3, 2, 4)), ('pattern.0', (1, 3, 2, 3))]
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.layout = layout_of(model)
        blocks = model.get_submodule(self.layout.blocks)
        assert isinstance(blocks, nn.ModuleList)
        self.blocks = blocks

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.blocks)

    @property
    def restarts(self) -> bool:
        """Whether it can be run from a layer on, given what that layer reads."""
        return self.layout.stream == "resid_pre"

    def sites(self, kind: str) -> list[Site]:
        """The sites of a kind: one for each layer, or one alone."""
        layered = kind in self.layout.sites and "{layer}" in self.layout.sites[kind].module
        found = [Site(kind, layer) for layer in range(self.layers)] if layered else [Site(kind)]
        check_site(found[0], self.layout, self.layers)
        return found

    @property
    def every_site(self) -> list[Site]:
        """All sites, kind by kind."""
        return [site for kind in self.layout.sites for site in self.sites(kind)]

    def run_with_cache(self, ids: Tensor) -> tuple[Tensor, Cache]:
        """The logits (rows, positions, vocabulary), and what every site holds."""
        ran = self.run(ids, keep=self.every_site)
        return ran.logits, ran.cache

    def width(self, site: Site) -> int:
        """How many heads, gates or channels a site has."""
        any_token = torch.zeros(1, 1, dtype=torch.long)
        return int(self.run(any_token, keep=[site]).cache[site].shape[2])

    @torch.inference_mode()
    def run(
        self,
        ids: Tensor,
        edits: Sequence[Sequence[Edit]] = (),
        keep: Sequence[Site] = (),
        logits_at: Tensor | None = None,
        start: Start | None = None,
        weights: Weights | None = None,
        weights_from: int = 0,
    ) -> Ran:
        """Run the model on `ids` (rows, length), each row with its own list of `edits`.

        Kept are the values of the sites `keep`, as the edits leave them, and the logits at the
        positions `logits_at` (all). With `start`, what does not differ from an earlier run is
        not run again. With `weights` these parameters are used in place of the model's own, from
        the position `weights_from` on. Raises `UsageError` for a site that there is not,
        `NeverFiredError` where an edit or a kept site never came by, and `IndexError` for an
        edit at a position or row that there is not.
        """
        ids = ids.to(self.model.device)
        first = start.position if start else 0
        _check_places(start.rows if start else len(ids), ids.shape[1], edits)
        cache: Cache = {}
        edited = dict.fromkeys(edit.site for row in edits for edit in row)
        taps = [self._tap(site, BatchEdits(site, edits).apply) for site in edited]
        taps += [self._tap(site, _keeping(site, cache, first)) for site in keep]
        asked: dict[str, Any] = {}
        # The head sees all positions where its own weights differ from one of them on.
        if logits_at is not None and not weights:
            asked["logits_to_keep"] = logits_at - first
        with ExitStack() as stack:
            if start is not None:
                asked |= self._attending_to(stack.enter_context(started(self.blocks, start)))
                ids = ids[:1, first:]  # only their shape counts: each row joins with its stream
            if weights and any(tap.place.tap in STATES for tap in taps):
                raise UsageError("an LSTM's states can't be read while its weights are edited")
            stack.enter_context(tapping(self.model, taps, first))
            if logits_at is not None and not weights and not keep:
                modules = self._spared(edited)
                stack.enter_context(only_at(self.model, modules, logits_at - first))
            if weights:
                stack.enter_context(other_weights(self.model, weights, weights_from))
            logits = self.model(input_ids=ids, use_cache=False, **asked).logits
        if logits_at is not None and weights:
            logits = logits[:, logits_at]
        return Ran(logits.cpu(), {site: cache[site].cpu() for site in keep})

    @torch.inference_mode()
    def recorded(self, ids: Tensor) -> Recording:
        """What later runs can start from: each layer's stream, keys and values."""
        streams = self.sites(self.layout.stream)
        cache: Cache = {}
        taps = [self._tap(site, _keeping(site, cache, 0)) for site in streams]
        # A cache of the model's own would keep no more than its sliding window.
        past = DynamicCache() if self.layout.attends else None
        with tapping(self.model, taps):
            self.model(
                input_ids=ids.to(self.model.device),
                use_cache=False,
                logits_to_keep=1,
                **self._attending_to(past),
            )
        attended = [(layer.keys, layer.values) for layer in past.layers] if past else []
        return Recording([cache[site] for site in streams], attended)

    def _attending_to(self, past: DynamicCache | None) -> dict[str, DynamicCache]:
        """Keys and values as an argument of the model, by the name that its transformers has."""
        return {} if past is None else {past_name(self.model): past}

    def _spared(self, edited: Iterable[Site]) -> list[str]:
        """The modules of the last layer that need to see no position but those asked for."""
        inside = [self._tap(site, _unchanged).module for site in edited]
        modules = [path.format(layer=self.layers - 1) for path in self.layout.positionwise]
        return [path for path in modules if not any(one.startswith(f"{path}.") for one in inside)]

    def _tap(self, site: Site, visit: Visit) -> Tapped:
        check_site(site, self.layout, self.layers)
        return Tapped(self.layout.sites[site.kind], site.layer, visit)


def _check_places(rows: int, length: int, edits: Sequence[Sequence[Edit]]) -> None:
    if edits and len(edits) != rows:
        raise IndexError(f"edits for {len(edits)} rows, and there are {rows}")
    for edit in (edit for row in edits for edit in row):
        if not all(0 <= position < length for position in edit.positions):
            raise IndexError(
                f"{edit.site}: positions {edit.positions} of a text of {length} tokens"
            )


def _unchanged(values: Tensor, _: int) -> Tensor:
    return values


def _keeping(site: Site, cache: Cache, begins: int) -> Visit:
    def visit(values: Tensor, first: int) -> Tensor:
        kept = values if site.index is None else values[:, :, site.index]
        cache[site] = torch.cat([cache[site], kept], 1) if first > begins else kept
        return values

    return visit


@lru_cache(maxsize=3)
def untrained(hooked: HookedModel, seed: int) -> HookedModel:
    """A model of the same shape with weights as they are before training: a baseline."""
    with torch.random.fork_rng(devices=[]):  # nobody else's draws change by this
        torch.manual_seed(derived_seed(seed, "untrained"))
        return HookedModel(AutoModelForCausalLM.from_config(hooked.model.config).eval())
