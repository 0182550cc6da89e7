"""What kinds of wrong answers there are."""

from __future__ import annotations

from collections.abc import Sequence

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.experiments.programs.samples import Sample
from the_experiment.worlds.programs.interpreter import variables_of
from the_experiment.worlds.programs.shortcuts import first_constant


def of_lengths(samples: Sequence[Sample], least: int | None, most: int | None) -> list[Sample]:
    """Those about programs between these lengths; None: no limit. Raises `UsageError` for none."""
    lengths = sorted({one.seq_len for one in samples})
    low, high = least or 0, max(lengths, default=0) if most is None else most
    found = [one for one in samples if low <= one.seq_len <= high]
    if samples and not found:
        raise UsageError(
            "no program here is as long as is asked for",
            f"there are lengths {', '.join(map(str, lengths))}",
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
