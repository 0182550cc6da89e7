"""Running an experiment again in a fresh store: are its figures the same?"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json
from the_experiment.engine.executor import compute_all, in_order, refuse_failures
from the_experiment.engine.outcome import Outcome, differences
from the_experiment.engine.store import CELLS, Store
from the_experiment.experiments.declaration import find_experiment
from the_experiment.experiments.experiment import QUICK
from the_experiment.experiments.running import (
    DECLARED,
    Counting,
    cells_of,
    executor_of,
    silently,
)
from the_experiment.report.outcome import RESULTS


def is_experiment(folder: Path) -> bool:
    """Whether it is the folder of an experiment, or that of its quick run."""
    return (_declared(folder.resolve()) / DECLARED).is_file()


def replay_experiment(folder: Path, counting: Counting = silently) -> tuple[Outcome, list[str]]:
    """What comes out now, and where it differs from the `results.json` in the folder.

    Everything is computed once more, and nothing of it is kept. Raises `UsageError` for an
    experiment whose answers cost money.
    """
    folder = folder.resolve()
    declared, quick = _declared(folder), _declared(folder) != folder
    experiment, out = find_experiment(str(declared)), declared.parents[1]
    if experiment.costs_money:
        raise UsageError(
            f"the answers of {experiment.name} were paid for and are not asked again",
            f"`the-experiment experiments report {declared}` reads them again",
        )
    again = f"run `the-experiment experiments run {declared}{' --quick' if quick else ''}`"
    before = read_json(folder / RESULTS, again)
    cells = cells_of(experiment, out, quick=quick)
    computed = Store(declared / CELLS)
    for cell in cells.values():
        if cell not in computed:
            raise ExperimentError(
                f"{cell.name} has no stored result: an input, such as a world or a model, has "
                "changed since, or it was never computed",
                again,
            )
    with tempfile.TemporaryDirectory(prefix="the-experiment-") as scratch:
        store = Store(Path(scratch))
        with counting("cells", len(list(in_order(list(cells.values()))))) as progress:
            results, failed = compute_all(cells, store, executor_of(experiment), progress)
        refuse_failures(failed)
        outcome = experiment.outcome(results, quick=quick)
    return outcome, differences(before, json.loads(json.dumps(outcome.figures)))


def _declared(folder: Path) -> Path:
    is_quick = folder.name == QUICK and not (folder / DECLARED).is_file()
    return folder.parent if is_quick else folder
