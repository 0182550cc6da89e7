"""From cells to a table: each contestant on each way of holding out, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.cells import Cell
from the_experiment.experiments.declaration import Experiment
from the_experiment.worlds import EXACT

Results = Mapping[Cell, dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One contestant on one way of holding out, by one measure."""

    hold_outs: str
    contestant: str
    is_model: bool
    measure: str
    by_seed: dict[int, Rate]  # over all splits of that seed
    distinct: int  # held-out states, each counted once over all seeds
    cells: int
    fitted: int  # cells in which every seen state was exact; all, for a baseline

    @property
    def pooled(self) -> Rate:
        """The mean share over seeds with an interval that counts each distinct state once.

        Models of several seeds asked about the same state are no independent trials.
        """
        tries = sum(rate.n for rate in self.by_seed.values())
        right = sum(rate.k for rate in self.by_seed.values())
        return Rate(round(right / tries * self.distinct), self.distinct) if tries else Rate(0, 0)

    @property
    def share(self) -> float:
        """Right answers among all held-out questions of all seeds."""
        tries = sum(rate.n for rate in self.by_seed.values())
        return sum(rate.k for rate in self.by_seed.values()) / tries if tries else float("nan")


def measures_of(experiment: Experiment) -> dict[str, list[str]]:
    """The measures by name, each with the keys that must all be right in a state."""
    return {EXACT: [EXACT], **experiment.measures}


def rows_of(experiment: Experiment, results: Results) -> list[Row]:
    """Every row of the table that can be filled."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in results:
        groups.setdefault((cell.hold_outs, cell.contestant), []).append(cell)
    rows = []
    models_first = sorted(groups.items(), key=lambda group: group[0][1] not in experiment.models)
    for way in experiment.hold_outs:
        for (hold_outs, contestant), cells in models_first:
            if hold_outs == way and all(results[cell]["held_out"] is not None for cell in cells):
                rows += [
                    _row(way, contestant, cells, results, measure, keys)
                    for measure, keys in measures_of(experiment).items()
                ]
    return rows


def _row(
    way: str, contestant: str, cells: list[Cell], results: Results, measure: str, keys: list[str]
) -> Row:
    by_seed: dict[int, Rate] = {}
    for cell in cells:
        rate = held_out_rate(results[cell], keys)
        before = by_seed.get(cell.seed, Rate(0, 0))
        by_seed[cell.seed] = Rate(before.k + rate.k, before.n + rate.n)
    return Row(
        hold_outs=way,
        contestant=contestant,
        is_model=cells[0].entry is not None,
        measure=measure,
        by_seed=by_seed,
        distinct=len({prompt for cell in cells for prompt in results[cell]["held_out"]}),
        cells=len(cells),
        fitted=sum(has_fitted(cell, results[cell]) for cell in cells),
    )


def has_fitted(cell: Cell, result: dict[str, Any]) -> bool:
    """Whether a model was right on every seen state; a baseline is never unfit."""
    return cell.entry is None or all(state[EXACT] for state in result["seen"].values())


def held_out_rate(result: dict[str, Any], keys: list[str]) -> Rate:
    """How many held-out states of a cell are right in all of `keys`."""
    states = result["held_out"].values()
    return Rate(sum(all(state[key] for key in keys) for state in states), len(states))
