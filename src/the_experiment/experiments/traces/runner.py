"""The whole experiment with traces, step by step; what is done already is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_json, write_text
from the_experiment.base.processes import cores, in_parallel
from the_experiment.base.runs import TRACES, Run
from the_experiment.data.puzzles import PuzzleRequest, generate_puzzles
from the_experiment.data.trace_texts import ARMS
from the_experiment.data.traces import TEST, Preparation, prepared
from the_experiment.experiments.traces.asking_models import PuzzleSet, read_puzzles
from the_experiment.experiments.traces.base import pretrained_base
from the_experiment.experiments.traces.evaluate import evaluate
from the_experiment.experiments.traces.results import TraceResults
from the_experiment.experiments.traces.scale import TraceScale

BASE, RUNS, ROWS = "base", "runs", "rows"
LONGER, RENAMED = "longer", "renamed"


def run_traces(scale: TraceScale, name: str, out: Path) -> TraceResults:
    """Draw, prepare, train the base, tune each arm on it, ask, and report in `out/traces/NAME`.

    A killed run goes on where it was. Raises `ExperimentError` where the folder has an experiment
    of another scale, and `UsageError` where it has something else.
    """
    from the_experiment.training.checkpoint import refuse_changes

    folder = out / TRACES / name
    told = folder / "experiment.json"
    if told.is_file():
        refuse_changes(folder, read_json(told), scale.model_dump(mode="json"))
    elif folder.exists():
        raise UsageError(
            f"{folder} already exists and is not an experiment folder", "choose another NAME"
        )
    write_text(told, scale.model_dump_json(indent=2) + "\n")
    sets = _drawn(scale, folder)
    base = Run(folder / RUNS / BASE)
    held_out = {shape for asked in sets for puzzle in asked.puzzles for shape in puzzle.shapes}
    pretrained_base(scale.base, scale.kinds, scale.sizes, held_out, base, folder / "plain")
    _tuned(scale, folder, base)
    models = {one: str(folder / RUNS / one) for one in (BASE, *ARMS)}
    return evaluate(models, sets, folder, out)


def _drawn(scale: TraceScale, folder: Path) -> list[PuzzleSet]:
    """The rows to tune on, and the sets that are asked, of shapes that are in none of the rows."""
    drawn, rows = folder / "puzzles", folder / ROWS
    longer, renamed = folder / LONGER, folder / RENAMED
    if not drawn.is_dir():
        generate_puzzles(_request(scale, scale.puzzles, scale.sizes, scale.naming), drawn)
    if not rows.is_dir():
        how = Preparation(seed=scale.seed, valid=0.05, test=scale.test)
        prepared([drawn], rows, how)
    learnt = [str(rows / ARMS[0] / f"{side}.jsonl") for side in ("train", "valid")]
    if not longer.is_dir():
        generate_puzzles(_request(scale, scale.asked, scale.longer, scale.naming, learnt), longer)
    if not renamed.is_dir():
        generate_puzzles(
            _request(scale, scale.asked, scale.sizes[-1:], scale.renamed, learnt), renamed
        )
    test = read_puzzles(rows / TEST, "held-out graphs")
    return [
        PuzzleSet(test.name, test.puzzles[: scale.asked]),
        read_puzzles(longer, LONGER),
        read_puzzles(renamed, RENAMED),
    ]


def _request(
    scale: TraceScale,
    count: int,
    sizes: Sequence[int],
    naming: Sequence[str],
    without: Sequence[str] = (),
) -> PuzzleRequest:
    return PuzzleRequest(
        count=count,
        seed=scale.seed,
        kinds=scale.kinds,
        sizes=sizes,
        naming=naming,
        without=without,
    )


def _tuned(scale: TraceScale, folder: Path, base: Run) -> None:
    """Each arm, as many at a time as there are cores."""
    missing = [arm for arm in ARMS if not Run(folder / RUNS / arm).complete]
    calls = [(scale, arm, folder, base) for arm in missing]
    for _ in in_parallel(tune_arm, calls, min(cores(), max(1, len(calls)))):
        pass


def tune_arm(scale: TraceScale, arm: str, folder: Path, base: Run) -> str:
    """Tune one arm, or go on with it, and return its name."""
    from the_experiment.training.tuning import tune
    from the_experiment.training.tuning_config import PRESETS, TuneConfig

    values = PRESETS["claire"] | scale.tune
    rows = folder / ROWS / arm
    config = TuneConfig(
        base=str(base.folder),
        rows=str(rows / "train.jsonl"),
        valid=str(rows / "valid.jsonl"),
        seed=scale.seed,
        **values,
    )
    tune(config, Run(folder / RUNS / arm), resume=True)
    return arm
