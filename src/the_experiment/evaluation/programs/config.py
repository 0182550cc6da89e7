"""Which programs are asked of which models, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from the_experiment.base import defaults
from the_experiment.base.errors import UsageError
from the_experiment.base.names import refuse_no_name
from the_experiment.base.runs import PROGRAMS
from the_experiment.worlds.generators import Generator, takes_hops
from the_experiment.worlds.programs.parsers import Parser
from the_experiment.worlds.programs.prompts import CHAIN_OF_THOUGHT, STEP_BY_STEP, filled

if TYPE_CHECKING:
    from the_experiment.base.choices import Chat, Device, Dtype

CELLS = "cells"  # the folder of what is done, beside the results
THOUGHT_TOKENS = 512  # of an answer that thinks first


@dataclass(frozen=True)
class ExperimentConfig:
    """Programs of some lengths and numbers of hops, put to models in a prompt.

    `program_generator` draws `num_seqs` distinct programs for each length and number of hops; it is
    told of hops only where `num_hops` lists some. The parser is chosen by the prompt and the right
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
    dtype: Dtype = "auto"
    device: Device = "auto"

    def __post_init__(self) -> None:
        refuse_no_name("an experiment", self.name)
        filled(self.prompt_template, "")
        _check_numbers("lengths", self.seq_lens, least=1)
        if self.num_hops:
            _check_numbers("numbers of hops", self.num_hops, least=0)
            if not takes_hops(self.program_generator):
                raise UsageError(f"{self.generator} has no hops to choose", "leave them out")
        if self.num_seqs < 1 or self.answer_tokens < 1:
            raise UsageError("there must be at least one program, and one token of answer")

    @property
    def generator(self) -> str:
        """The generator's name."""
        return getattr(self.program_generator, "__name__", repr(self.program_generator))

    @property
    def cells(self) -> int:
        """How many files the results come in: one for each model, length and number of hops."""
        return len(self.models) * len(self.seq_lens) * max(1, len(self.num_hops))

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
        }


def folder_of(name: str, out: Path) -> Path:
    """Where the results of the experiment of this name lie."""
    return out / PROGRAMS / name


def _check_numbers(what: str, numbers: Sequence[int], least: int) -> None:
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < least:
        raise UsageError(
            f"{list(numbers)} are no {what}", f"give at least one, each once, none below {least}"
        )
