"""Tracing a model on programs of some lengths and hops, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from loguru import logger

from the_experiment.base import defaults
from the_experiment.base.choices import Chat, Device, Dtype, PatchTarget
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.names import refuse_no_name
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.store import Store
from the_experiment.evaluation.programs.config import CELLS, folder_of
from the_experiment.inside.opened import Opened
from the_experiment.inside.program_pairs import (
    Asking,
    ProgramPair,
    drawn_pair,
    find_pairs,
    led,
)
from the_experiment.inside.traced import Traced
from the_experiment.inside.tracing import trace
from the_experiment.inside.validation import validated
from the_experiment.models.kept import KeptModels
from the_experiment.models.pretrained import find_model, which_weights
from the_experiment.worlds.generators import PROGRAMS, takes_hops
from the_experiment.worlds.programs.prompts import CODE


@dataclass(frozen=True)
class TracingRequest:
    """What is traced, of which model, and how it is asked: all that the figures depend on."""

    model: str
    intervention_type: PatchTarget = "both"
    seq_lens: tuple[int, ...] = (defaults.TRACED_LINES,)
    num_hops: tuple[int, ...] = (defaults.TRACED_HOPS,)
    generator: str = defaults.TRACED_PROGRAMS
    pairs: int = defaults.TRACED_PAIRS  # for each length and number of hops
    rng_seed: int | None = None  # trace the program of this seed, and no other
    programs: tuple[ProgramPair, ...] = ()  # one's own, in place of drawn ones
    layers: tuple[int, ...] | None = None
    template: str = CODE
    chat: Chat = "auto"
    seed: int = 0  # the first that programs are drawn with; draws the control, too
    device: Device = "auto"
    dtype: Dtype = "float32"  # whatever the model was saved in

    def __post_init__(self) -> None:
        if self.intervention_type not in get_args(PatchTarget):
            raise UsageError(
                f"there is no intervention type {self.intervention_type!r}",
                f"one of {', '.join(get_args(PatchTarget))}",
            )
        if not self.programs and not (self.seq_lens and self.num_hops):
            raise UsageError("there is nothing to trace", "name a length and a number of hops")
        if not takes_hops(PROGRAMS[self.generator]):
            raise UsageError(
                f"programs of {self.generator} have no chain to trace",
                "choose one that takes num_hops, or give programs of your own",
            )
        if self.pairs < 1:
            raise UsageError(f"{counted(self.pairs, 'pair')} can't be traced", "at least 1")

    def cells(self) -> Iterator[TracingRequest]:
        """What is traced together: programs of one length and number of hops."""
        if self.programs:
            for hops in sorted({pair.hops for pair in self.programs}):
                same = tuple(pair for pair in self.programs if pair.hops == hops)
                yield replace(self, seq_lens=(), num_hops=(hops,), programs=same)
            return
        for length in self.seq_lens:
            for hops in self.num_hops:
                yield replace(self, seq_lens=(length,), num_hops=(hops,))

    @property
    def title(self) -> str:
        """Of one cell, such as `5 lines, 2 hops`."""
        counts = [counted(length, "line") for length in self.seq_lens]
        return ", ".join([*counts, *(counted(hops, "hop") for hops in self.num_hops)])

    def cell(self, weights: str) -> Cell:
        """One of `cells`, of these weights, with all that its figures depend on."""
        return Cell(
            f"trace {Path(self.model).name} {self.title}",
            "the_experiment.inside.tracing_cells:traced",
            {**asdict(self), "model": weights},
        )


@dataclass(frozen=True)
class TracingResults:
    """What came out, cell by cell: shares and logits by layer and role, and every single patch."""

    request: TracingRequest
    patch_results: dict[str, dict[str, Any]]
    intervention_results: dict[str, list[dict[str, Any]]]
    failed: dict[str, str]  # cells that nothing could be traced in, and why

    @property
    def sentences(self) -> list[str]:
        """What all cells say."""
        told = [told for cell in self.patch_results.values() for told in cell["sentences"]]
        return told + [f"{title}: {why}" for title, why in self.failed.items()]


def tracing_folder(name: str, out: Path) -> Path:
    """Where the results of this name lie. Raises `UsageError` for what can be no name."""
    refuse_no_name("results", name)
    return folder_of(name, out)


def run_tracing(request: TracingRequest, models: KeptModels, folder: Path | None) -> TracingResults:
    """Trace every cell; one that lies in `folder` already is read from there.

    Where a cell fails the others go on. Raises its `ExperimentError` where none is left.
    """
    weights = which_weights(find_model(request.model, models.out))
    store = Store(folder / CELLS) if folder else None
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, ExperimentError] = {}
    for cell in request.cells():
        compute = partial(traced, cell, models)
        try:
            found[cell.title] = store.result(cell.cell(weights), compute) if store else compute()
        except ExperimentError as error:
            failed[cell.title] = error
    if not found:
        raise next(iter(failed.values()))
    for title, failure in failed.items():
        logger.warning("{}: {}", title, failure)
    return TracingResults(
        request,
        {title: cell["patch_results"] for title, cell in found.items()},
        {title: cell["intervention_results"] for title, cell in found.items()},
        {title: error.what for title, error in failed.items()},
    )


def traced(cell: TracingRequest, models: KeptModels) -> dict[str, Any]:
    """One of a request's cells, as JSON."""
    model, tokenizer = models.loaded(cell.model, cell.device, cell.dtype)
    opened = Opened(model)
    if model.device.type == "cpu":
        opened = validated(opened)
    found = trace_cell(opened, Asking(tokenizer, cell.template, cell.chat), cell)
    return {"patch_results": found.as_json(), "intervention_results": found.interventions()}


def trace_cell(opened: Opened, asking: Asking, cell: TracingRequest) -> Traced:
    """Trace the programs of one cell, drawn or given.

    Raises `ExperimentError` where the model answers none of them right both ways.
    """
    how = (cell.title, cell.intervention_type, cell.layers, cell.seed)
    if cell.programs:
        return trace(opened, led(opened, asking, cell.programs), cell.programs, *how)
    (lines,), (hops,), generator = cell.seq_lens, cell.num_hops, PROGRAMS[cell.generator]
    if cell.rng_seed is not None:
        pair = drawn_pair(lines, hops, cell.rng_seed, generator)
        if pair is None:
            raise UsageError(f"the program of seed {cell.rng_seed} has every digit", "try another")
        return trace(opened, led(opened, asking, [pair]), [pair], *how)
    found = find_pairs(opened, asking, lines, hops, cell.pairs, cell.seed, generator)
    table = trace(opened, found.asking, found.pairs, *how)
    return replace(table, verdicts=tuple(found.verdicts))
