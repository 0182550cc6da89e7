"""Running an experiment on programs: every missing cell, landed whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json
from the_experiment.engine.store import Store
from the_experiment.evaluation.programs.cells import Asked, Response, responses
from the_experiment.evaluation.programs.config import CELLS, ExperimentConfig, folder_of
from the_experiment.evaluation.programs.drawing import Group, Program, programs_of
from the_experiment.worlds.generators import Answer
from the_experiment.worlds.programs.parsers import parser_for

if TYPE_CHECKING:
    from the_experiment.models.kept import KeptModels

RESULTS = "results.json"


@dataclass(frozen=True)
class Sample:
    """One program, one model's response to it, and the value read from that."""

    model: str
    seq_len: int
    num_hops: int | None
    program: str
    prompt: str
    response: str | None  # None: it could not be asked
    value: Answer | None  # None: no value can be read from the response
    reason: str  # why there is none
    expected: Answer
    right: bool
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came out, and why there is nothing of the models that failed."""

    config: ExperimentConfig
    samples: list[Sample]
    failed: dict[str, str]  # by model


def run_programs(
    config: ExperimentConfig,
    models: KeptModels,
    *,
    keep: bool = True,
    progress: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Ask what is not in `models.out` yet, and read all the responses.

    A killed run goes on where it was; a cell whose file is torn is asked again. Without `keep`,
    each model is let go after it was asked. A model that fails is logged, and the others go on;
    raises its `ExperimentError` where none is left. `progress` is told how many more cells are
    there.
    """
    cells = _cells(config, programs_of(config), models.out)
    store = Store(folder_of(config.name, models.out) / CELLS)
    samples: list[Sample] = []
    errors: dict[str, ExperimentError] = {}
    for name, of_model in cells.items():
        try:
            for cell in of_model:
                samples += _samples(cell, _responses(cell, store, models))
                progress(1)
        except ExperimentError as error:
            errors[name] = error
            if len(cells) > 1:
                logger.error("{}: {}", name, error)
        if not keep:
            models.unload(name)
    if not samples:
        raise next(iter(errors.values()))
    return Outcome(config, samples, {name: str(error) for name, error in errors.items()})


def _cells(
    config: ExperimentConfig, programs: dict[Group, list[Program]], out: Path
) -> dict[str, list[Asked]]:
    """The cells of each model. Raises `ExperimentError` for a model that is not there."""
    from the_experiment.models.pretrained import find_model, which_weights

    if not config.models:
        raise UsageError(f"{config.name} names no model", "give a folder, or a name on the hub")
    weights = {str(name): which_weights(find_model(name, out)) for name in config.models}
    return {
        name: [Asked(config, name, which, *group, drawn) for group, drawn in programs.items()]
        for name, which in weights.items()
    }


def _responses(asked: Asked, store: Store, models: KeptModels) -> list[Response]:
    config = asked.config

    def compute() -> list[dict[str, Any]]:
        return responses(asked, lambda: models.loaded(asked.model, config.device, config.dtype))

    return [Response(**one) for one in store.result(asked.cell, compute)]


def _samples(cell: Asked, given: list[Response]) -> Iterator[Sample]:
    for program, prompt, response in zip(cell.programs, cell.prompts, given, strict=True):
        value, reason = None, response.reason
        if response.text is not None:
            template, expected = cell.config.prompt_template, program.expected
            parsed = (cell.config.parser or parser_for(template, expected))(response.text)
            value, reason = parsed.value, parsed.reason
        yield Sample(
            model=cell.model,
            seq_len=cell.seq_len,
            num_hops=cell.num_hops,
            program=program.text,
            prompt=prompt,
            response=response.text,
            value=value,
            reason=reason,
            expected=program.expected,
            right=type(value) is type(program.expected) and value == program.expected,
            metadata=program.metadata,
        )


def read_samples(name: str, out: Path) -> list[Sample]:
    """What the last run of this name gave. Raises `ExperimentError` where there was none."""
    mend = f"run `the-experiment programs run {name}` first"
    place = folder_of(name, out) / RESULTS
    try:
        return [Sample(**sample) for sample in read_json(place, mend)]
    except TypeError as error:
        raise ExperimentError(f"{place} holds no results ({error})", mend) from None
