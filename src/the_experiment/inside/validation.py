"""A layout held against the model it speaks of, before anybody relies on what it says.

nnsight's nnterp does the same when it loads a model; a wrong table raises nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from the_experiment.base.errors import ExperimentError
from the_experiment.inside.edits import Edit
from the_experiment.inside.hooked_model import Cache, HookedModel, Ran
from the_experiment.inside.sites import Site
from the_experiment.inside.sweep import Trial, sweep

ROWS, LENGTH = (
    3,
    5,
)  # of what the model is tried on: different, so that neither passes for the other
PLACE = 2  # the position that is edited

# What is taken at the input of a projection, and what the projection makes of it.
PROJECTED = {"z": "attn_out", "mlp_act": "mlp_out", "channels": "mixed"}


def validated(hooked: HookedModel) -> HookedModel:
    """`hooked` itself, once a few tiny runs have shown that its table of sites is true.

    Every site comes by and holds (rows, positions, …); reading changes nothing; the stream is the
    sum of what is added to it, and the logits are made of the last of it; attention looks back
    only, its rows sum to one and its heads are those of `z`; an edit of the stream changes what
    its own row has from its position on, and in a sweep does the same. Raises `ExperimentError`
    with the first of these that does not hold.
    """
    kind = hooked.model.config.model_type
    wrong: str | None
    try:
        wrong = next(_complaints(hooked), None)
    except Exception as error:  # what a wrong table leads to fails in many ways
        wrong = str(error) or repr(error)
    if wrong is not None:
        raise ExperimentError(
            f"this {kind!r} model can't be inspected: {wrong}",
            f"correct the layout of {kind!r} (CONTRIBUTING.md says where it is), or use "
            "another model",
        )
    return hooked


def _complaints(hooked: HookedModel) -> Iterator[str]:
    """What is wrong, in sentences. Each check relies on those before it."""
    ids = _some_ids(hooked)
    with torch.inference_mode():
        plain: Tensor = hooked.model(input_ids=ids).logits
    if plain.isnan().any():
        yield "its logits are NaN"
    try:
        ran = hooked.run(ids, keep=hooked.every_site)
    except Exception:
        yield from _unreadable(hooked, ids)
        raise
    for site, values in ran.cache.items():
        if values.ndim < 3 or values.shape[:2] != ids.shape:
            shape = tuple(values.shape)
            yield f"{site} is of shape {shape} for {ROWS} texts of {LENGTH} tokens"
    if _differ(ran.logits, plain):
        yield "reading its sites changes its logits"
    yield from _sums(hooked, ran)
    yield from _projections(hooked, ran.cache)
    if "pattern" in hooked.layout.sites:
        yield from _attention(hooked, ids, ran.cache)
    yield from _edits(hooked, ids, ran)


def _some_ids(hooked: HookedModel) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    known: int = hooked.model.get_input_embeddings().num_embeddings
    return torch.randint(known, (ROWS, LENGTH), generator=generator)


def _unreadable(hooked: HookedModel, ids: Tensor) -> Iterator[str]:
    """The kinds of site that can't be read, and why."""
    for kind in hooked.layout.sites:
        try:
            hooked.run(ids, keep=hooked.sites(kind))
        except Exception as error:
            yield f"{kind} can't be read ({str(error) or repr(error)})"


def _differ(one: Tensor, other: Tensor) -> bool:
    """Whether they differ by more than their type and another order of adding up explain."""
    if one.shape != other.shape:
        return True
    if not other.numel():  # as all heads but the last are, where there is one
        return False
    near = torch.finfo(other.dtype).eps ** 0.5 * float(other.abs().max())
    return bool(((one - other).abs() > near).any())


def _sums(hooked: HookedModel, ran: Ran) -> Iterator[str]:
    """The stream from layer to layer, and from the last one to the logits."""
    layout, cache = hooked.layout, ran.cache
    after = hooked.sites("resid_post" if "resid_post" in layout.sites else layout.stream)
    for layer, before in enumerate(hooked.sites(layout.stream) if layout.adds else []):
        added = [cache[Site(kind, layer)] for kind in layout.adds]
        odd = [one for one in added if one.shape != cache[before].shape]
        if odd or _differ(sum(added, cache[before]), cache[after[layer]]):
            yield f"{after[layer]} is not {before} and {' and '.join(layout.adds)} added to it"
        if "resid_mid" in layout.sites and _differ(
            cache[before] + added[0], cache[Site("resid_mid", layer)]
        ):
            yield f"resid_mid.{layer} is not {before} and {layout.adds[0]} added to it"
    norm, unembed = (hooked.model.get_submodule(path) for path in (layout.norm, layout.unembed))
    with torch.inference_mode():
        if _differ(unembed(norm(cache[after[-1]])), ran.logits):
            yield f"{layout.norm} and {layout.unembed} don't make the logits of {after[-1]}"


def _projections(hooked: HookedModel, cache: Cache) -> Iterator[str]:
    """Where one site is what makes another: the module that it is read by gives the other."""
    sites = hooked.layout.sites
    for given, made in PROJECTED.items():
        if given in sites and made in sites and sites[given].tap == "input":
            for layer in range(hooked.layers):
                module = hooked.model.get_submodule(sites[given].module.format(layer=layer))
                with torch.inference_mode():
                    out = module(cache[Site(given, layer)].flatten(2))
                if _differ(out, cache[Site(made, layer)]):
                    yield f"{made}.{layer} is not made of {given}.{layer}"


def _attention(hooked: HookedModel, ids: Tensor, cache: Cache) -> Iterator[str]:
    for site in hooked.sites("pattern"):
        pattern = cache[site].transpose(1, 2)  # (rows, heads, positions, positions)
        if pattern.shape[2:] != (LENGTH, LENGTH):
            yield f"{site} is not positions × positions"
        if _differ(pattern.sum(-1), torch.ones_like(pattern[..., 0])):
            yield f"the rows of {site} do not sum to one"
        if pattern.triu(1).any():
            yield f"{site} attends to later positions"
    if "z" in hooked.layout.sites:
        yield from _heads(hooked, ids, cache)


def _heads(hooked: HookedModel, ids: Tensor, cache: Cache) -> Iterator[str]:
    """In each layer the last head attends otherwise: only that head of `z` may be another."""
    patterns, sites = hooked.sites("pattern"), hooked.sites("z")
    last = cache[patterns[0]].shape[2] - 1
    for site in sites:
        if cache[site].ndim != 4 or cache[site].shape[2] != last + 1:
            yield f"{site} doesn't have the {last + 1} heads of pattern"
    to_first = torch.eye(LENGTH)[0]
    edits = [[Edit(Site("pattern", one.layer, last), (PLACE,), to_first)] for one in patterns]
    edited = hooked.run(ids[:1].expand(len(edits), -1), edits, keep=sites).cache
    for row, site in enumerate(sites):
        if _differ(edited[site][row, :, :last], cache[site][0, :, :last]):
            yield f"the heads of {site} are not separate"


def _edits(hooked: HookedModel, ids: Tensor, ran: Ran) -> Iterator[str]:
    """The stream of each layer is edited in one row, beside a row in which nothing is."""
    kinds = dict.fromkeys([hooked.layout.stream, *hooked.layout.carries])
    sites = [site for kind in kinds for site in hooked.sites(kind)]
    edits = [_noise(site, ran.cache[site]) for site in sites]
    rows = [change for edit in edits for change in ([edit], [])]
    logits = hooked.run(ids[:1].expand(len(rows), -1), rows).logits
    for site, edited, beside in zip(sites, logits[::2], logits[1::2], strict=True):
        if _differ(beside, ran.logits[0]):
            yield f"an edit of {site} changes another row"
        if _differ(edited[:PLACE], ran.logits[0, :PLACE]):
            yield f"an edit of {site} changes earlier positions"
        if not _differ(edited[PLACE:], ran.logits[0, PLACE:]):
            yield f"an edit of {site} does not change the logits"
    asked = torch.arange(PLACE, LENGTH)
    for numbers, swept in sweep(hooked, ids, [Trial(0, (edit,)) for edit in edits], asked):
        for number, again in zip(numbers, swept, strict=True):
            if _differ(again, logits[2 * number, PLACE:]):
                yield f"an edit of {sites[number]} gives different logits in a sweep"


def _noise(site: Site, values: Tensor) -> Edit:
    """As large as the site's own values are."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(values.shape[2:], generator=generator) * values.float().std()
    return Edit(site, (PLACE,), noise, keep=1.0)
