"""Causal tracing of a model on programs of some lengths and hops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field
from typing_extensions import Self

from the_experiment.base import defaults
from the_experiment.base.defaults import Chat, Device, Dtype, PatchTarget
from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_text
from the_experiment.base.names import refuse_no_name
from the_experiment.base.runs import TRACING
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome
from the_experiment.experiments.experiment import KINDS, Experiment, WrongKeyError
from the_experiment.worlds.generators import PROGRAMS, takes_hops
from the_experiment.worlds.programs.chain import (
    ProgramPair,
    another_constant,
    counterfactual_pair,
)
from the_experiment.worlds.programs.prompts import CODE, PROMPTS

QUICK_PAIRS = 5


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
    shots: int = 0  # solved programs before each

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
        if self.shots and self.programs:
            raise UsageError(
                "--shots can't be combined with a program of your own",
                "write solved programs into the --prompt",
            )
        if self.pairs < 1:
            raise UsageError(f"{counted(self.pairs, 'pair')} can't be traced", "give at least 1")

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


Hops = Annotated[int, Field(ge=0)]


@KINDS.register("tracing")
class TracingExperiment(Experiment):
    """Pairs of programs that a model answers right, patched layer by layer and head by head."""

    parent: ClassVar[str] = TRACING

    kind: Literal["tracing"] = "tracing"
    question: str = "Where in the model, and in the program, is the answer carried?"
    model: str
    type: PatchTarget = "both"
    lengths: list[Annotated[int, Field(ge=1)]] = Field([defaults.TRACED_LINES], min_length=1)
    hops: list[Hops] = Field([defaults.TRACED_HOPS], min_length=1)
    generator: str = defaults.TRACED_PROGRAMS
    pairs: int = Field(defaults.TRACED_PAIRS, ge=1)
    rng_seed: int | None = Field(None, ge=0)  # trace the program of this seed, and no other
    program: str = ""  # a file with a program of one's own, in place of drawn ones
    prompt: str = CODE
    chat: Chat = "auto"
    seed: int = Field(0, ge=0)
    shots: int = Field(0, ge=0)  # solved programs before each
    dtype: Dtype = "float32"
    device: Device = "auto"

    @property
    def reports_in_part(self) -> bool:
        """Each cell says something by itself."""
        return True

    @property
    def jobs(self) -> int:
        """One at a time, so that the model is loaded once."""
        return 1

    def with_files(self, found: Callable[[str], str]) -> Self:
        """The same with the program's file as `found` gives it."""
        return self.model_copy(update={"program": found(self.program)}) if self.program else self

    def request(self, *, quick: bool = False) -> TracingRequest:
        """The same as a request; quickly: of the first length, and few pairs."""
        return TracingRequest(
            self.model,
            self.type,
            tuple(self.lengths[:1] if quick else self.lengths),
            tuple(self.hops),
            self.generator,
            min(self.pairs, QUICK_PAIRS) if quick else self.pairs,
            self.rng_seed,
            _own_program(Path(self.program), self.seed) if self.program else (),
            template=PROMPTS.get(self.prompt, self.prompt),
            **self.model_dump(include={"chat", "seed", "dtype", "device", "shots"}),
        )

    def check(self) -> None:
        """Raise `WrongKeyError` for a generator whose programs can't be traced."""
        try:
            self.request()
        except UsageError as error:
            raise WrongKeyError(error.what, error.hint) from None

    def summary(self) -> Mapping[str, str]:
        """What is patched in which model."""
        return {
            "model": self.model,
            "patched": self.type,
            "programs": self.program
            or f"{self.pairs} pairs of {self.generator} of each length and hops",
            "lengths": ", ".join(map(str, self.lengths)),
            "hops": ", ".join(map(str, self.hops)),
        }

    def cells(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """One for each length and number of hops."""
        from the_experiment.experiments.tracing.cells import cells_of

        return cells_of(self.request(quick=quick), out)

    def outcome(self, results: Mapping[Any, Any], *, quick: bool) -> Outcome:
        """Heat maps of each, and what they say."""
        from the_experiment.experiments.tracing.analysis import TracingResults, outcome_of

        return outcome_of(TracingResults.of(self.request(quick=quick), results))


def _own_program(file: Path, seed: int) -> tuple[ProgramPair, ...]:
    """The program in a file, beside one with a constant drawn by `seed`."""
    import numpy as np

    text = read_text(file).rstrip("\n")
    return (counterfactual_pair(text, another_constant(text, np.random.RandomState(seed))),)


def tracing_folder(name: str, out: Path) -> Path:
    """Where the results of this name lie. Raises `UsageError` for what can be no name."""
    refuse_no_name("results", name)
    return out / TRACING / name
