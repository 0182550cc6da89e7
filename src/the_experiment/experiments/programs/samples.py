"""Programs that were asked, and the files they are kept in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json
from the_experiment.experiments.programs.config import ExperimentConfig, folder_of
from the_experiment.worlds.generators import Answer

SAMPLES = "samples.json"
TOO_LONG, NOT_KNOWN = "too long", "not known to it"  # why a program is not asked


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
class ProgramResults:
    """What was asked and answered, and why there is nothing of the models that failed."""

    config: ExperimentConfig
    samples: list[Sample]
    failed: dict[str, str] = field(default_factory=dict)  # by model


def read_samples(name: str, out: Path) -> list[Sample]:
    """What the last run of this name gave. Raises `ExperimentError` where there was none."""
    hint = f"run `the-experiment programs run {name}` first"
    place = folder_of(name, out) / SAMPLES
    try:
        return [Sample(**sample) for sample in read_json(place, hint)]
    except TypeError as error:
        raise ExperimentError(f"{place} holds no results ({error})", hint) from None
