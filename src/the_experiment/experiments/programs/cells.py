"""The cells of an experiment on programs: one model asked those of one length and hops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.defaults import Chat, Device, Dtype
from the_experiment.base.errors import UsageError
from the_experiment.engine.cell import Cell
from the_experiment.engine.executor import SerialExecutor, compute_all
from the_experiment.engine.store import CELLS, Store
from the_experiment.experiments.programs.config import ExperimentConfig, programs_folder
from the_experiment.experiments.programs.drawing import Program, programs_of
from the_experiment.experiments.programs.results import NOT_KNOWN, TOO_LONG, ProgramResults, Sample
from the_experiment.worlds.answers import Parsed
from the_experiment.worlds.programs.prompts import (
    draw_examples,
    fill_prompt,
    parser_for,
    with_examples,
)

Response = Mapping[str, Any]  # `text`, `reason`: why there is none, `cut`: for lack of room


@dataclass(frozen=True, eq=False)
class ProgramBatch:
    """What one model is asked of one length and number of hops."""

    config: ExperimentConfig
    model: str
    folder: Path
    weights: str  # which they are: a folder may hold others tomorrow
    seq_len: int
    num_hops: int | None
    programs: Sequence[Program]
    keep: bool  # the model in memory, beside those of other cells

    @property
    def prompts(self) -> list[str]:
        """What is asked, program by program."""
        lengths = [self.seq_len] if self.num_hops is None else [self.seq_len, self.num_hops]
        config = self.config
        shown = draw_examples(config.program_generator, config.shots, config.seed, *lengths)
        template = with_examples(config.prompt_template, shown)
        return [fill_prompt(template, one.text) for one in self.programs]

    @property
    def cell(self) -> Cell:
        """Everything that the responses depend on."""
        hops = "" if self.num_hops is None else f" hops {self.num_hops}"
        return Cell(
            f"{Path(self.model).name} length {self.seq_len}{hops}",
            "the_experiment.experiments.programs.cells:responses",
            {
                "prompts": self.prompts,
                "weights": self.weights,
                "answer_tokens": self.config.answer_tokens,
                "chat": self.config.chat,
                "dtype": self.config.dtype,
            },
            where={
                "model": str(self.folder),
                "device": self.config.device,
                "keep": self.keep,
            },
        )

    def samples(self, responses: Sequence[Response]) -> Iterator[Sample]:
        """The responses read, program by program."""
        for program, prompt, response in zip(self.programs, self.prompts, responses, strict=True):
            value, reason = None, response["reason"]
            if response["text"] is not None:
                parsed = self._read(program, response)
                value, reason = parsed.value, parsed.reason
            yield Sample(
                model=self.model,
                seq_len=self.seq_len,
                num_hops=self.num_hops,
                program=program.text,
                prompt=prompt,
                response=response["text"],
                value=value,
                reason=reason,
                expected=program.expected,
                right=type(value) is type(program.expected) and value == program.expected,
                metadata=program.metadata,
            )

    def _read(self, program: Program, response: Response) -> Parsed:
        if self.config.parser:
            return self.config.parser(response["text"])
        parser = parser_for(self.config.prompt_template, program.expected)
        return parser(response["text"], program.text, response.get("cut", False))


def batches_of(config: ExperimentConfig, out: Path, *, keep: bool = False) -> list[ProgramBatch]:
    """All that is asked, model by model. Raises `ExperimentError` for a model that is not there."""
    from the_experiment.models.pretrained import find_model, which_weights

    if not config.models:
        raise UsageError(f"{config.name} names no model", "give a folder, or a name on the hub")
    groups = programs_of(config)
    folders = {str(name): find_model(name, out) for name in config.models}
    return [
        ProgramBatch(config, name, folder, which_weights(folder), *group, drawn, keep)
        for name, folder in folders.items()
        for group, drawn in groups.items()
    ]


def responses(
    prompts: Sequence[str],
    weights: str,  # noqa: ARG001 - which they are; `model` says where
    answer_tokens: int,
    chat: Chat,
    dtype: Dtype,
    model: str,
    device: Device,
    keep: bool,
) -> list[Response]:
    """What the model responds to what it can be asked."""
    from the_experiment.models.asking import ask, why_too_long
    from the_experiment.models.pretrained import KeptModels
    from the_experiment.models.texts import unknown_in

    loaded, tokenizer = KeptModels().loaded(model, device, dtype, passing=not keep)

    def why_not(prompt: str) -> str:
        lost = unknown_in(tokenizer, prompt)
        harm = why_too_long(loaded, tokenizer, prompt, answer_tokens, chat)
        if lost:
            return f"{NOT_KNOWN}: {lost}"
        return f"{TOO_LONG}: {harm}" if harm else ""

    reasons = [why_not(prompt) for prompt in prompts]
    fitting = [prompt for prompt, why in zip(prompts, reasons, strict=True) if not why]
    texts = iter(ask(loaded, tokenizer, fitting, answer_tokens, chat))

    def response(why: str) -> Response:
        text = None if why else next(texts)
        tokens = tokenizer(text or "", add_special_tokens=False)["input_ids"]
        cut = len(tokens) >= answer_tokens
        return {"text": text, "reason": why, "cut": cut}

    return [response(why) for why in reasons]


def run_programs(
    config: ExperimentConfig,
    out: Path,
    *,
    keep: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> ProgramResults:
    """Ask what is not in `out` yet, in this process, and read all the responses.

    A killed run goes on where it was. With `keep`, models stay in memory. One that fails is logged,
    and the others go on; raises its `ExperimentError` where none is left. `progress` is told how
    many more cells are there.
    """
    store = Store(programs_folder(config.name, out) / CELLS)
    cells = {one: one.cell for one in batches_of(config, out, keep=keep)}
    found, failed = compute_all(cells, store, SerialExecutor(), progress)
    samples = [sample for one, responses in found.items() for sample in one.samples(responses)]
    why = {one.model: str(failed[cell]) for one, cell in cells.items() if cell in failed}
    return ProgramResults(config, samples, why)
