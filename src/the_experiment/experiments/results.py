"""From cells to a table: each contestant on each way of holding out, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from the_experiment.data.cases import cases_of, whole_cases
from the_experiment.data.draw import seen_states
from the_experiment.evaluation.predictions import ROUNDING
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.cells import Cell
from the_experiment.experiments.declaration import Experiment
from the_experiment.worlds import EXACT, World, find_world

Results = Mapping[Cell, dict[str, Any]]


@dataclass(frozen=True)
class Tally:
    """Held-out states that are right: always, sometimes, and on average over tie-breaks.

    A model has no ties, so that the three are the same.

    >>> Tally(1, 2, 1.5, 4) + Tally(1, 1, 1.0, 2), Tally(5, 6, 5.5, 6).share
    (Tally(always=2, sometimes=3, mean=2.5, n=6), 0.9166666666666666)
    """

    always: int
    sometimes: int
    mean: float
    n: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.always + other.always,
            self.sometimes + other.sometimes,
            self.mean + other.mean,
            self.n + other.n,
        )

    @property
    def share(self) -> float:
        """The mean share that is right; NaN of no states."""
        return self.mean / self.n if self.n else float("nan")

    def __str__(self) -> str:
        """`27/66`; with ties `42/66 (32–52)`."""
        ties = f" ({self.always}–{self.sometimes})" if self.always < self.sometimes else ""
        return f"{self.mean:.3g}/{self.n}{ties}"


NOTHING = Tally(0, 0, 0.0, 0)


@dataclass(frozen=True)
class Row:
    """One contestant on one way of holding out, by one measure."""

    hold_outs: str
    contestant: str
    is_model: bool
    measure: str
    by_seed: dict[int, Tally]  # over all splits of that seed
    new_cases: int  # of all splits, at most as many as there are distinct held-out states
    cells: int
    fitted: int  # cells in which every seen state was exact; all, for a baseline

    @property
    def total(self) -> Tally:
        """All held-out questions of all seeds."""
        return reduce(Tally.__add__, self.by_seed.values(), NOTHING)

    @property
    def share(self) -> float:
        """The share of them that is right."""
        return self.total.share

    @property
    def interval(self) -> tuple[float, float]:
        """Of a model: Wilson's of its share over as many trials as there are distinct new cases.

        States of one case are no independent trials, nor are seeds asked about the same case. Of a
        baseline: from what it has right in every tie-break to what it has in one.
        """
        total = self.total
        if not self.is_model:
            return (total.always / total.n, total.sometimes / total.n) if total.n else (0.0, 1.0)
        rate = Rate(round(self.share * self.new_cases), self.new_cases) if total.n else Rate(0, 0)
        return rate.low, rate.high


def measures_of(experiment: Experiment) -> dict[str, list[str]]:
    """The measures by name, each with the keys that must all be right in a state."""
    return {EXACT: [EXACT], **experiment.measures}


def rows_of(experiment: Experiment, results: Results) -> list[Row]:
    """Every row of the table that can be filled."""
    world = find_world(experiment.world)
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in results:
        groups.setdefault((cell.hold_outs, cell.contestant), []).append(cell)
    rows = []
    models_first = sorted(groups.items(), key=lambda group: group[0][1] not in experiment.models)
    for way in experiment.hold_outs:
        for (hold_outs, _), cells in models_first:
            if hold_outs == way and all(results[cell]["held_out"] is not None for cell in cells):
                rows += _rows(experiment, world, cells, results)
    return rows


def _rows(
    experiment: Experiment, world: World, cells: Sequence[Cell], results: Results
) -> list[Row]:
    """One contestant by every measure."""
    return [
        _row(cells, results, measure, keys, new_cases(world, cells, keys))
        for measure, keys in measures_of(experiment).items()
    ]


def _row(
    cells: Sequence[Cell],
    results: Results,
    measure: str,
    keys: Sequence[str],
    new_cases: int,
) -> Row:
    by_seed: dict[int, Tally] = {}
    for cell in cells:
        tally = held_out_tally(results[cell], keys)
        by_seed[cell.seed] = by_seed.get(cell.seed, NOTHING) + tally
    return Row(
        hold_outs=cells[0].hold_outs,
        contestant=cells[0].contestant,
        is_model=cells[0].entry is not None,
        measure=measure,
        by_seed=by_seed,
        new_cases=new_cases,
        cells=len(cells),
        fitted=sum(has_fitted(cell, results[cell]) for cell in cells),
    )


def new_cases(world: World, cells: Sequence[Cell], keys: Sequence[str]) -> int:
    """The new cases of all splits, at most as many as there are states held out in any."""
    splits = {(cell.split, cell.hold_out.model_dump_json()): cell for cell in cells}
    held_out, new = set(), 0
    for cell in splits.values():
        numbers = cell.hold_out.resolve(world, cell.seed)
        seen = seen_states(world, numbers, cell.seed, cell.train.train_rows)
        asked = world.states_at(numbers)
        exact = keys == [EXACT]
        cases = whole_cases(world, seen, asked) if exact else cases_of(world, keys, seen, asked)
        new += int(cases.new.sum())
        held_out.update(numbers.tolist())
    return min(new, len(held_out))


def has_fitted(cell: Cell, result: dict[str, Any]) -> bool:
    """Whether a model was right on every seen state; a baseline is never unfit."""
    return cell.entry is None or all(state[EXACT] for state in result["seen"].values())


def held_out_tally(result: dict[str, Any], keys: Sequence[str]) -> Tally:
    """How many held-out states of a cell are right in all of `keys`."""
    shares = [math.prod(state[key] for key in keys) for state in result["held_out"].values()]
    return Tally(
        sum(share > 1 - ROUNDING for share in shares),
        sum(share > ROUNDING for share in shares),
        float(sum(shares)),
        len(shares),
    )
