"""The cells of an experiment with traces: puzzles → base → a model for each arm → answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from the_experiment.base.runs import Run
from the_experiment.data.trace_folder import PuzzleRequest, generate_puzzles
from the_experiment.data.traces import ARMS, TEST, Preparation, prepared
from the_experiment.engine.cell import Cell
from the_experiment.experiments.traces.asking_models import (
    MAX_NEW_TOKENS,
    PuzzleSet,
    read_puzzles,
    texts_of,
)
from the_experiment.experiments.traces.config import BaseScale, TraceScale
from the_experiment.experiments.traces.results import TraceResults
from the_experiment.experiments.traces.tuned import pretrained_base
from the_experiment.worlds.causal.puzzle import Puzzle

HERE = "the_experiment.experiments.traces.cells"
BASE, RUN, ROWS = "base", "run", "rows"
HELD_OUT, LONGER, RENAMED = "held-out graphs", "longer", "renamed"
SETS = (HELD_OUT, LONGER, RENAMED)

Result = Mapping[str, Any]


def cells_of(scale: TraceScale) -> dict[Any, Cell]:
    """The puzzles under `puzzles`; the answers of each model to each set under both names."""
    puzzles = Cell(
        "puzzles",
        f"{HERE}:puzzles",
        {"scale": scale.model_dump(mode="json", exclude={"base", "tune"})},
        keeps_files=True,
    )
    base = Cell(
        "base",
        f"{HERE}:base",
        {"base": scale.base.model_dump(mode="json"), "kinds": scale.kinds, "sizes": scale.sizes},
        needs={"puzzles": puzzles},
        keeps_files=True,
    )
    models = {BASE: base} | {
        arm: Cell(
            f"tune {arm}",
            f"{HERE}:tuned",
            {"arm": arm, "settings": scale.tune, "seed": scale.seed},
            needs={"puzzles": puzzles, "base": base},
            keeps_files=True,
        )
        for arm in ARMS
    }
    answers: dict[Any, Cell] = {
        (model, name): Cell(
            f"ask {model} {name}",
            f"{HERE}:answers",
            {"of": name, "max_new_tokens": MAX_NEW_TOKENS},
            needs={"puzzles": puzzles, "model": cell},
        )
        for model, cell in models.items()
        for name in SETS
    }
    return {"puzzles": puzzles, **answers}


def puzzles(scale: Result, folder: Path) -> dict[str, Any]:
    """The rows to tune on, and the sets that are asked, of shapes that are in none of the rows."""
    how = TraceScale.model_validate(scale)
    drawn, rows = folder / "drawn", folder / ROWS
    if not drawn.is_dir():
        generate_puzzles(_request(how, how.puzzles, how.sizes, how.naming), drawn)
    if not rows.is_dir():
        prepared([drawn], rows, Preparation(seed=how.seed, valid=0.05, test=how.test))
    learnt = [str(rows / ARMS[0] / f"{side}.jsonl") for side in ("train", "valid")]
    sets = {HELD_OUT: read_puzzles(rows / TEST, HELD_OUT).puzzles[: how.asked]}
    for name, sizes, naming in (
        (LONGER, how.longer, how.naming),
        (RENAMED, how.sizes[-1:], how.renamed),
    ):
        if not (folder / name).is_dir():
            generate_puzzles(_request(how, how.asked, sizes, naming, learnt), folder / name)
        sets[name] = read_puzzles(folder / name, name).puzzles
    return {
        "sets": {
            name: [one.model_dump(mode="json", exclude_defaults=True) for one in found]
            for name, found in sets.items()
        }
    }


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


def base(
    base: Result, kinds: Sequence[str], sizes: Sequence[int], puzzles: Result, folder: Path
) -> dict[str, Any]:
    """Train the base, or go on with it, on no shape that will be asked."""
    held_out = {
        shape for name in SETS for puzzle in _asked(puzzles, name) for shape in puzzle.shapes
    }
    scale, run = BaseScale.model_validate(base), Run(folder / RUN)
    pretrained_base(scale, kinds, sizes, held_out, run, folder / "plain")
    return {"steps": run.record()["steps"]}


def tuned(
    arm: str, settings: Result, seed: int, puzzles: Result, base: Result, folder: Path
) -> dict[str, Any]:
    """Tune one arm, or go on with it."""
    from the_experiment.training.config import PRESETS, TuneConfig
    from the_experiment.training.tuning import tune

    rows = Path(puzzles["folder"]) / ROWS / arm
    config = TuneConfig(
        base=str(Path(base["folder"]) / RUN),
        rows=str(rows / "train.jsonl"),
        valid=str(rows / "valid.jsonl"),
        seed=seed,
        **{**PRESETS["claire"], **settings},
    )
    return {"steps": tune(config, Run(folder / RUN), resume=True).record()["steps"]}


def answers(of: str, max_new_tokens: int, puzzles: Result, model: Result) -> list[str]:
    """What a model writes to each puzzle of a set, greedily."""
    folder = Path(model["folder"])
    return texts_of(str(folder / RUN), _asked(puzzles, of), folder, max_new_tokens)


def _asked(puzzles: Result, name: str) -> list[Puzzle]:
    return [Puzzle.model_validate(one) for one in puzzles["sets"][name]]


def results_of(results: Mapping[Any, Any]) -> TraceResults:
    """All answers, graded. `results` stand as the cells of `cells_of` do."""
    sets = [PuzzleSet(name, _asked(results["puzzles"], name)) for name in SETS]
    return TraceResults(
        sets,
        {
            model: {asked.name: asked.graded(results[model, asked.name]) for asked in sets}
            for model in (BASE, *ARMS)
        },
    )
