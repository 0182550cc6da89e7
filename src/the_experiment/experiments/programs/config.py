"""Experiments on programs: what models make of them, by length and number of hops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from the_experiment.base import defaults
from the_experiment.base.defaults import Chat, Device, Dtype
from the_experiment.base.errors import UsageError
from the_experiment.base.names import refuse_no_name
from the_experiment.base.runs import PROGRAMS
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome
from the_experiment.experiments.experiment import KINDS, Experiment, WrongKeyError
from the_experiment.worlds import generators
from the_experiment.worlds.generators import Generator, takes_hops
from the_experiment.worlds.programs.prompts import (
    CHAIN_OF_THOUGHT,
    PROMPTS,
    STEP_BY_STEP,
    Parser,
    fill_prompt,
)

THOUGHT_TOKENS = 512  # of an answer that thinks first


@dataclass(frozen=True)
class ExperimentConfig:
    """Programs of some lengths and numbers of hops, put to models in a prompt.

    `program_generator` draws `num_seqs` distinct programs for each length and number of hops; it is
    told of hops only where `num_hops` lists some. As many as `shots` others of the same length and
    hops stand before each, with their answers. The parser is chosen by the prompt and the right
    answer if none is given, and `max_new_tokens` by the prompt. Raises `UsageError` for values that
    no experiment can have.
    """

    name: str
    prompt_template: str
    program_generator: Generator
    models: Sequence[str] = ()
    num_seqs: int = 10
    seq_lens: Sequence[int] = (2, 3, 4, 5, 6)
    num_hops: Sequence[int] = ()
    parser: Parser | None = None
    seed: int = defaults.SEED
    max_new_tokens: int | None = None
    chat: Chat = "auto"
    dtype: Dtype = "float32"
    device: Device = "auto"
    shots: int = 0

    def __post_init__(self) -> None:
        refuse_no_name("an experiment", self.name)
        fill_prompt(self.prompt_template, "")
        _check_numbers("lengths", self.seq_lens, least=1)
        if self.num_hops:
            _check_numbers("numbers of hops", self.num_hops, least=0)
            if not takes_hops(self.program_generator):
                raise UsageError(f"{self.generator} has no hops to choose", "leave them out")
        if self.num_seqs < 1 or self.answer_tokens < 1:
            raise UsageError("at least one program and one answer token are needed")

    @property
    def generator(self) -> str:
        """The generator's name."""
        return getattr(self.program_generator, "__name__", repr(self.program_generator))

    @property
    def answer_tokens(self) -> int:
        """How many tokens an answer may have."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        thinks = self.prompt_template in (STEP_BY_STEP, CHAIN_OF_THOUGHT)
        return THOUGHT_TOKENS if thinks else defaults.ANSWER_TOKENS

    def as_json(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return {
            "name": self.name,
            "prompt_template": self.prompt_template,
            "program_generator": self.generator,
            "models": list(map(str, self.models)),
            "num_seqs": self.num_seqs,
            "seq_lens": list(self.seq_lens),
            "num_hops": list(self.num_hops),
            "parser": getattr(self.parser, "__name__", None),
            "seed": self.seed,
            "max_new_tokens": self.answer_tokens,
            "chat": self.chat,
            "dtype": self.dtype,
            "device": self.device,
            "shots": self.shots,
        }


Count = Annotated[int, Field(ge=1)]


@KINDS.register("programs")
class ProgramsExperiment(Experiment):
    """Programs of some lengths and numbers of hops, put to models in a prompt."""

    parent: ClassVar[str] = PROGRAMS

    kind: Literal["programs"] = "programs"
    question: str = "What do models make of these programs?"
    models: list[str] = Field(min_length=1)
    generator: str = "make_range_program"
    prompt: str = "RANGE_TRACKING"
    lengths: list[Count] = Field([2, 3, 4, 5, 6])
    hops: list[Annotated[int, Field(ge=0)]] = Field([])
    num_seqs: Count = 10
    seed: int = Field(defaults.SEED, ge=0)
    max_new_tokens: Count | None = None
    shots: int = Field(0, ge=0)  # solved programs before each
    chat: Chat = "auto"
    dtype: Dtype = "float32"  # in bfloat16 texts depend on the size of a batch
    device: Device = "auto"

    @property
    def reports_in_part(self) -> bool:
        """Each cell says something by itself."""
        return True

    @property
    def jobs(self) -> int:
        """One at a time, so that each model is loaded once."""
        return 1

    @property
    def config(self) -> ExperimentConfig:
        """The same with the generator itself. Raises `UsageError` for what can't be asked."""
        return ExperimentConfig(
            name=self.name,
            prompt_template=PROMPTS.get(self.prompt, self.prompt),
            program_generator=generators.PROGRAMS[self.generator],
            models=self.models,
            num_seqs=self.num_seqs,
            seq_lens=self.lengths,
            num_hops=self.hops,
            **self.model_dump(
                include={"seed", "max_new_tokens", "chat", "dtype", "device", "shots"}
            ),
        )

    def in_small(self) -> ProgramsExperiment:
        """The ends of the lengths, and few programs."""
        ends = [*self.lengths[:1], *self.lengths[1:][-1:]]
        return self.model_copy(update={"lengths": ends, "num_seqs": min(3, self.num_seqs)})

    def check(self) -> None:
        """Raise `WrongKeyError` for a generator, prompt, length or number of hops that is none."""
        try:
            _ = self.config
        except UsageError as error:
            raise WrongKeyError(error.what, error.hint) from None

    def summary(self) -> Mapping[str, str]:
        """Who is asked what."""
        return {
            "models": ", ".join(self.models),
            "generator": self.generator,
            "prompt": self.prompt,
            "lengths": ", ".join(map(str, self.lengths)),
            "hops": ", ".join(map(str, self.hops)) or "none chosen",
            "programs": f"{self.num_seqs} of each length and number of hops",
        }

    def cells(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """What each model responds to the programs of each length and number of hops."""
        from the_experiment.experiments.programs.cells import batches_of

        small = self.in_small() if quick else self
        return {asked: asked.cell for asked in batches_of(small.config, out)}

    def outcome(self, results: Mapping[Any, Any], *, quick: bool) -> Outcome:
        """Right answers by length and hops, beside answers that need no model."""
        from the_experiment.experiments.programs.analysis import outcome_of
        from the_experiment.experiments.programs.results import ProgramResults

        samples = [one for asked, found in results.items() for one in asked.samples(found)]
        return outcome_of(ProgramResults((self.in_small() if quick else self).config, samples))


def programs_folder(name: str, out: Path) -> Path:
    """Where the results of the experiment of this name lie."""
    return out / PROGRAMS / name


def _check_numbers(what: str, numbers: Sequence[int], least: int) -> None:
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < least:
        raise UsageError(
            f"{list(numbers)}: invalid {what}", f"give at least one, each once, none below {least}"
        )
