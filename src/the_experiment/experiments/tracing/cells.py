"""The cells of tracing: a model on the programs of one length and number of hops."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.engine.cell import Cell
from the_experiment.engine.executor import SerialExecutor, compute_all
from the_experiment.engine.store import CELLS, Store
from the_experiment.experiments.tracing.analysis import TracingResults
from the_experiment.experiments.tracing.config import TracingRequest
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.program_pairs import PromptFormat, find_pairs, with_common_prefix
from the_experiment.inside.traced import Traced
from the_experiment.inside.tracing import trace
from the_experiment.inside.validation import validated
from the_experiment.models.pretrained import KeptModels, find_model, which_weights
from the_experiment.worlds.generators import PROGRAMS
from the_experiment.worlds.programs.chain import ProgramPair, drawn_pair
from the_experiment.worlds.programs.prompts import draw_examples, with_examples


def cells_of(request: TracingRequest, out: Path) -> dict[str, Cell]:
    """A cell for each length and number of hops, by title."""
    folder = find_model(request.model, out)
    weights = which_weights(folder)
    return {
        one.title: Cell(
            f"trace {Path(request.model).name} {one.title}",
            "the_experiment.experiments.tracing.cells:traced",
            {"request": {**_asked(one), "model": weights}},
            where={"model": str(folder)},
        )
        for one in request.cells()
    }


def _asked(request: TracingRequest) -> dict[str, Any]:
    """All of it; what was traced before there were shots keeps its name."""
    asked = asdict(request)
    return asked if asked["shots"] else {name: asked[name] for name in asked if name != "shots"}


def run_tracing(request: TracingRequest, out: Path, folder: Path | None) -> TracingResults:
    """Trace every cell; one that lies in `folder` already is read from there.

    Where a cell fails the others go on. Raises its `ExperimentError` where none is left.
    """
    cells = cells_of(request, out)
    with nullcontext(folder) if folder else tempfile.TemporaryDirectory() as place:
        store = Store(Path(place) / CELLS)
        found, failed = compute_all(cells, store, SerialExecutor())
    why = {title: failed[cell].what for title, cell in cells.items() if cell in failed}
    return replace(TracingResults.of(request, found), failed=why)


def traced(request: Mapping[str, Any], model: str) -> dict[str, Any]:
    """One of a request's cells, as JSON."""
    tuples = {name: tuple(request[name]) for name in ("seq_lens", "num_hops")}
    layers = None if request["layers"] is None else tuple(request["layers"])
    programs = tuple(ProgramPair(**pair) for pair in request["programs"])
    one = TracingRequest(**{**request, **tuples, "layers": layers, "programs": programs})
    loaded, tokenizer = KeptModels().loaded(model, one.device, one.dtype)
    hooked = HookedModel(loaded)
    if loaded.device.type == "cpu":
        hooked = validated(hooked)
    found = trace_cell(hooked, PromptFormat(tokenizer, one.template, one.chat), one)
    return {"patch_results": found.as_json(), "intervention_results": found.interventions()}


def trace_cell(hooked: HookedModel, asking: PromptFormat, cell: TracingRequest) -> Traced:
    """Trace the programs of one cell, drawn or given.

    Raises `ExperimentError` where the model answers none of them right both ways.
    """
    how = (cell.title, cell.intervention_type, cell.layers, cell.seed)
    if cell.programs:
        return trace(hooked, with_common_prefix(hooked, asking, cell.programs), cell.programs, *how)
    (lines,), (hops,), generator = cell.seq_lens, cell.num_hops, PROGRAMS[cell.generator]
    examples = draw_examples(generator, cell.shots, cell.seed, lines, hops)
    asking = replace(asking, template=with_examples(asking.template, examples))
    if cell.rng_seed is not None:
        pair = drawn_pair(lines, hops, cell.rng_seed, generator)
        if pair is None:
            raise UsageError(f"the program of seed {cell.rng_seed} has every digit", "try another")
        return trace(hooked, with_common_prefix(hooked, asking, [pair]), [pair], *how)
    found = find_pairs(hooked, asking, lines, hops, cell.pairs, cell.seed, generator)
    table = trace(hooked, found.asking, found.pairs, *how)
    return replace(table, verdicts=tuple(found.verdicts))
