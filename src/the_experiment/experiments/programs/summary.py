"""From samples to figures: accuracy by model, length and hops, beside answers without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.programs.samples import ProgramResults, Sample
from the_experiment.worlds.programs.shortcuts import COMMONEST, FIRST, first_constant


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
        "failed": results.failed,
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
