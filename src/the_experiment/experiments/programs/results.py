"""Programs that were asked: their files, accuracy by length and hops, and kinds of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.programs.config import ExperimentConfig, programs_folder
from the_experiment.worlds.generators import Answer
from the_experiment.worlds.programs.chain import COMMONEST, FIRST, first_constant
from the_experiment.worlds.programs.interpreter import variables_of

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
    place = programs_folder(name, out) / SAMPLES
    try:
        return [Sample(**sample) for sample in read_json(place, hint)]
    except TypeError as error:
        raise ExperimentError(f"{place} holds no results ({error})", hint) from None


def of_lengths(samples: Sequence[Sample], least: int | None, most: int | None) -> list[Sample]:
    """Those about programs between these lengths; None: no limit. Raises `UsageError` for none."""
    lengths = sorted({one.seq_len for one in samples})
    low, high = least or 0, max(lengths, default=0) if most is None else most
    found = [one for one in samples if low <= one.seq_len <= high]
    if samples and not found:
        raise UsageError(
            "no program has the requested length",
            f"available lengths: {', '.join(map(str, lengths))}",
        )
    return found


def wrong_answers(samples: Sequence[Sample]) -> list[Sample]:
    """What was asked and not answered right."""
    return [one for one in samples if one.response is not None and not one.right]


def kind_of_error(sample: Sample) -> str:
    """What is wrong with a wrong answer: the first of these that it is."""
    if sample.value is None:
        return "no value"
    if first_constant(sample.program) == str(sample.value):
        return "the first line's constant"
    if sample.value in _other_values(sample):
        return "another variable's value"
    if abs(sample.value - sample.expected) == 1 and not isinstance(sample.value, bool):
        return "off by one"
    return "another value"


def _other_values(sample: Sample) -> list[int | bool]:
    try:
        variables = variables_of(sample.program)
    except ExperimentError:  # one's own program may be more than the interpreter knows
        return []
    return [value for value in variables.values() if type(value) is type(sample.value)]


@dataclass(frozen=True)
class AccuracyRow:
    """One model on the programs of one length and number of hops; None: on those of all."""

    model: str
    seq_len: int | None
    num_hops: int | None
    right: Rate  # of the programs it was asked
    unparsed: Rate  # responses that no value can be read from
    not_asked: int  # programs without room in the model
    baselines: dict[str, Rate]  # on all these programs

    def as_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return {
            "model": self.model,
            "seq_len": self.seq_len,
            "num_hops": self.num_hops,
            "right": self.right.as_json(),
            "unparsed": self.unparsed.as_json(),
            "not_asked": self.not_asked,
            "baselines": {name: rate.as_json() for name, rate in self.baselines.items()},
        }


def rows_of(samples: Sequence[Sample]) -> list[AccuracyRow]:
    """A row for each model, number of hops and length, in the order they were asked."""
    return list(_rows(samples, lambda one: (one.seq_len, one.num_hops)))


def rows_by_hops(samples: Sequence[Sample]) -> list[AccuracyRow]:
    """A row for each model and number of hops, over all lengths."""
    return list(_rows(samples, lambda one: (None, one.num_hops)))


def summary(results: ProgramResults) -> dict[str, Any]:
    """The configuration and every row, as plain values."""
    samples = results.samples
    return {
        "config": results.config.as_json(),
        "rows": [row.as_json() for row in rows_of(samples)],
        "all_lengths": [row.as_json() for row in rows_by_hops(samples)],
        "models": [row.as_json() for row in _rows(samples, lambda _: (None, None))],
    }


def _rows(
    samples: Sequence[Sample], group: Callable[[Sample], tuple[int | None, int | None]]
) -> Iterator[AccuracyRow]:
    groups: dict[tuple[str, int | None, int | None], list[Sample]] = {}
    for one in samples:
        groups.setdefault((one.model, *group(one)), []).append(one)
    for key, members in groups.items():
        asked = [one for one in members if one.response is not None]
        yield AccuracyRow(
            *key,
            right=Rate(sum(one.right for one in asked), len(asked)),
            unparsed=Rate(sum(one.value is None for one in asked), len(asked)),
            not_asked=len(members) - len(asked),
            baselines=baselines_on(members),
        )


def baselines_on(samples: Sequence[Sample]) -> dict[str, Rate]:
    """How often answers are right that need no model.

    Always the answer that is commonest among these very programs; and, where all of them begin
    with an assignment of a constant and end with a query, that constant.
    """
    answers = Counter((type(one.expected), one.expected) for one in samples)
    rates = {COMMONEST: Rate(max(answers.values()), len(samples))}
    firsts = [first_constant(one.program) for one in samples]
    if all(firsts):
        right = sum(first == str(one.expected) for first, one in zip(firsts, samples, strict=True))
        rates[FIRST] = Rate(right, len(samples))
    return rates
