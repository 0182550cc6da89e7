"""Where the sites of an architecture are: one table each, and the engine knows no more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedModel

from the_experiment.base.errors import UsageError
from the_experiment.base.registry import Registry
from the_experiment.inside.sites import Site

Tap = Literal["input", "output", "pattern", "gates", "cell", "hidden"]


@dataclass(frozen=True)
class HookPoint:
    """Where in a module a site's values are taken.

    `input` and `output` are the module's own; `pattern` is what an attention module weighs its
    values by; `gates`, `cell` and `hidden` are the states of an LSTM, token by token.
    """

    module: str  # its path, with {layer} where each layer has one
    tap: Tap = "output"
    heads: bool = False  # the last dimension is heads × size


@dataclass(frozen=True)
class Component:
    """A kind of piece that can be taken out: the sites that are silent without it."""

    kinds: tuple[str, ...]
    each: bool = False  # every head, gate or channel of the site is a piece of its own


# What can be taken out of a transformer, where its sites have their usual names.
TRANSFORMER_COMPONENTS = {
    "layer": Component(("attn_out", "mlp_out")),
    "attention": Component(("attn_out",)),
    "mlp": Component(("mlp_out",)),
    "head": Component(("z",), each=True),
    "neuron": Component(("mlp_act",), each=True),
}


@dataclass(frozen=True)
class Layout:
    """The sites of an architecture, and the parts that maps over layers are made of."""

    sites: Mapping[str, HookPoint]  # by kind
    blocks: str  # the path of the list of layers
    stream: str  # the kind of site that everything a layer passes on goes through
    carries: tuple[str, ...]  # the kinds of site that together are all a layer holds at a token
    positionwise: tuple[str, ...]  # modules of a layer, at its end, that see each position alone
    adds: tuple[str, ...]  # the kinds of site whose values are added up to the stream
    components: Mapping[str, Component]  # what can be taken out of it, by name
    norm: str  # paths of modules: the last norm, and what makes logits of it
    unembed: str
    attends: bool = True  # whether keys and values are all that is read of earlier tokens


LAYOUTS: Registry[Callable[[], Layout]] = Registry(
    "layout", "the_experiment.inside.layouts", "the_experiment.layouts"
)


def layout(*model_types: str) -> Callable[[Callable[[], Layout]], Callable[[], Layout]]:
    """Decorator: the function below it makes the layout of these `config.model_type`s."""

    def add(make: Callable[[], Layout]) -> Callable[[], Layout]:
        for name in model_types:
            LAYOUTS.register(name)(make)
        return make

    return add


def layout_of(model: PreTrainedModel) -> Layout:
    """The layout of this model. Raises `UsageError` where there is none for its type."""
    name = str(model.config.model_type)
    if name not in LAYOUTS.names():
        raise UsageError(
            f"there is no layout for {name!r} models",
            f"known are {', '.join(LAYOUTS.names())}; a new one is a table, see CONTRIBUTING.md",
        )
    return LAYOUTS[name]()


def check_site(site: Site, table: Layout, layers: int) -> None:
    """Raise `UsageError` for a site that models of this layout don't have."""
    if site.kind not in table.sites:
        raise UsageError(
            f"this model has no site {site.kind!r}", f"it has {', '.join(table.sites)}"
        )
    layered = "{layer}" in table.sites[site.kind].module
    if layered != (site.layer is not None) or (site.layer or 0) >= layers:
        what = f"layers 0 to {layers - 1}" if layered else "no layers"
        raise UsageError(f"{site} is not a site of this model", f"{site.kind} has {what}")
