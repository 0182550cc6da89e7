"""A sweep is an experiment on splits, written in a few words."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Command
from test_inside_verbs import said
from the_experiment.base.errors import UsageError
from the_experiment.engine.executor import SerialExecutor
from the_experiment.experiments.recipe import TrainingRecipe
from the_experiment.experiments.running import Resources, executor_of, run
from the_experiment.experiments.splits.analysis import _curves, outcome_of
from the_experiment.experiments.splits.cells import Fit, fits_of
from the_experiment.experiments.splits.config import SplitsExperiment
from the_experiment.experiments.splits.results import rows_of, scores_of
from the_experiment.experiments.splits.sweep import chosen_device, sweep_of

WORLD = str(Path(__file__).parents[1] / "examples" / "three-bits.yaml")
ARGUMENTS = (
    *("sweep", "--world", WORLD, "--hold-out", "fraction=0.25..0.75:0.25", "--hold-out", "where=A"),
    *("--model", "cnn", "--seeds", "1-2", "--train-size", "32", "--epochs", "1", "--name", "mine"),
)


def swept(*hold_outs: str, models: tuple[str, ...] = ("gpt2", "cnn")) -> SplitsExperiment:
    return sweep_of(WORLD, hold_outs, models, [1, 2, 3], TrainingRecipe())


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 9))
def test_a_range_has_its_ends_and_no_rounding(first: int, steps: int, by: int) -> None:
    last = first + steps * by
    words = f"fraction={first / 1000}..{last / 1000}:{by / 1000}"
    shares = [way.fraction for way in swept(words).hold_outs.values()]
    assert shares == [(first + step * by) / 1000 for step in range(steps + 1)]


@pytest.mark.parametrize(
    "words",
    [
        *("fraction=", "fraction=a", "fraction=0.9..0.1:0.1", "fraction=0.1..0.9", "fraction=1.5"),
        *("fraction=0.1..0.9:0", "fraction=0.1..0.9:0.00001", "fraction=0", "where=", "all", ""),
    ],
)
def test_a_hold_out_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(UsageError):
        swept(words)


@pytest.mark.parametrize(
    ("hold_outs", "models"),
    [
        (["fraction=0.25", "fraction=0.25"], ("cnn",)),
        (["fraction=0.25..0.5:0.25", "fraction=0.50"], ("cnn",)),
        (["fraction=0.25"], ("cnn", "gpt2", "cnn")),
    ],
)
def test_what_is_given_twice_is_refused(hold_outs: list[str], models: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="is given twice"):
        swept(*hold_outs, models=models)


def test_an_address_without_ray_is_refused() -> None:
    with pytest.raises(UsageError, match="add --executor ray"):
        executor_of(swept("fraction=0.25"), Resources(address="127.0.0.1:6379"))


def coin(rng: random.Random) -> float:
    return float(rng.random() < 0.5)


def made_up(fit: Fit) -> dict[str, dict[str, dict[str, float]]]:
    """Results that hang on the cell alone."""
    from the_experiment.data.split import seen_states
    from the_experiment.worlds import EXACT, find_world

    world = find_world(WORLD)
    held_out = fit.hold_out.resolve(world, fit.seed)
    seen = seen_states(world, fit.hold_out, held_out, fit.seed, 64)
    rng = random.Random(fit.cell.digest)
    found = {}
    for kind, states in (("seen", seen), ("held_out", world.states_at(held_out))):
        found[kind] = {
            prompt: dict.fromkeys(
                [EXACT, *world.parts], float(kind == "seen" or rng.random() < 0.5)
            )
            for prompt in world.prompts(states)
        }
    return found


def test_the_order_of_hold_outs_and_models_changes_no_figure() -> None:
    one = swept("fraction=0.25..0.5:0.25", "where=A")
    other = swept("where=A", "fraction=0.5", "fraction=0.25", models=("cnn", "gpt2"))
    rows = []
    for experiment in (one, other):
        results = {fit: made_up(fit) for fit in fits_of(experiment)}
        figures = outcome_of(experiment, results, quick=False).figures
        rows.append(sorted(json.dumps(row, sort_keys=True) for row in figures["rows"]))
    assert rows[0] == rows[1]


def test_splits_that_agree_leave_no_interval_without_width() -> None:
    experiment = swept("fraction=0.25..0.75:0.25")
    results = {fit: made_up(fit) for fit in fits_of(experiment)}
    for found in results.values():  # all wrong, on every split
        found["held_out"] = {
            prompt: dict.fromkeys(parts, 0.0) for prompt, parts in found["held_out"].items()
        }
    rows = rows_of(experiment, scores_of(experiment, results))
    (curve,) = (one for one in _curves(experiment, rows) if one.name == "cnn")
    assert list(curve.shares) == [0.0] * 3
    assert min(curve.high) > 0.3


def test_some_cells_say_what_they_can() -> None:
    experiment = swept("fraction=0.25..0.75:0.25")
    results = {fit: made_up(fit) for fit in fits_of(experiment) if fit.seed == 1}
    outcome = outcome_of(experiment, results, quick=False)
    assert {tuple(row["by_seed"]) for row in outcome.figures["rows"]} == {("1",)}
    assert outcome.sentences[0].startswith("No claim")
    assert [chart.name for chart in outcome.charts] == ["fractions-exact", "held-out"]
    best, worst = experiment.so_far(results)
    shares = {
        (row["contestant"], row["hold_outs"]): row["share"]
        for row in outcome.figures["rows"]
        if row["contestant"] in experiment.models and row["measure"] == "exact"
    }
    for sentence, share in ((best, max(shares.values())), (worst, min(shares.values()))):
        (named,) = (of for of in shares if f" {of[0]} on {of[1]}: " in sentence)
        assert shares[named] == share
    assert experiment.so_far({}) == []


def test_a_sweep_goes_on_where_it_was_and_is_an_experiment(
    tmp_path: Path,
    the_experiment: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stopped = the_experiment(*ARGUMENTS, "--budget", "0.01s")
    assert stopped.returncode == 1
    assert "not computed within the budget" in stopped.stderr
    done = the_experiment(*ARGUMENTS, "--jobs", "1", "--json")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "out" / "experiments" / "mine"
    assert json.loads(done.stdout) == json.loads((folder / "results.json").read_text())
    assert (folder / "fractions-exact.png").stat().st_size > 5000
    before = {path: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}
    assert before
    monkeypatch.chdir(tmp_path)
    said(capsys, *ARGUMENTS)
    assert {path: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")} == before
    for verb in ("check", "status"):
        told, _ = said(capsys, "experiments", verb, str(folder))
        assert told.splitlines()[0].endswith(", 0 left to compute")
    assert "\nbest so far by exact: cnn on " in told
    next(iter(before)).unlink()
    progress = json.loads(said(capsys, "experiments", "status", str(folder), "--json")[0])
    assert (progress["left"], progress["running"], progress["seconds_left"]) == (1, 0, None)
    assert "not computed yet" in said(capsys, "experiments", "report", str(folder))[0]


def test_experiments_that_share_cells_share_their_results(
    tmp_path: Path, logged: list[str]
) -> None:
    recipe = TrainingRecipe(train_rows=32, epochs=1)
    one = sweep_of(WORLD, ["fraction=0.5"], ["cnn"], [1], recipe, "one")
    more = sweep_of(WORLD, ["fraction=0.25", "fraction=0.5"], ["cnn"], [1], recipe, "more")
    first = run(one, tmp_path, executor=SerialExecutor())
    second = run(more, tmp_path, executor=SerialExecutor())
    shared = [row for row in second.figures["rows"] if row["hold_outs"] == "50% held out"]
    assert shared == first.figures["rows"]
    count = len(one.cells(tmp_path, quick=False))
    assert [line for line in logged if f"{count} cells were computed by another" in line]
    folder = tmp_path / "experiments"
    seconds = [
        next((folder / name / "cells").glob("50-*-cnn-*.json")).read_text()
        for name in ("one", "more")
    ]
    assert seconds[0] == seconds[1]  # of its training, too
    run(one, tmp_path, executor=SerialExecutor())  # nothing is left, and nothing taken
    assert sum("by another" in line for line in logged) == 1


def test_of_very_many_states_a_sample_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("the_experiment.evaluation.contestants.MOST_STATES", 3)
    recipe = TrainingRecipe(train_rows=32, epochs=1)
    experiment = sweep_of(WORLD, ["fraction=0.5"], ["cnn"], [1], recipe)
    found = run(experiment, tmp_path, executor=SerialExecutor())
    rows = [row for row in found.figures["rows"] if row["measure"] == "exact"]
    assert {row["contestant"] for row in rows} > {"cnn", "decision tree"}
    assert {row["new_cases"] for row in rows} == {3}  # of four
    cells = (tmp_path / "experiments" / experiment.name / "cells").glob("*.json")
    results = [json.loads(path.read_text())["result"] for path in cells]
    assert all(len(one["held_out"]) == 3 for one in results if one["held_out"])


def test_a_gpu_that_is_not_there_is_told(the_experiment: Command) -> None:
    asked = ("sweep", "--hold-out", "each-state", "--device", "cuda")
    says = {
        (): ("finds no cuda device here", "use `--device cpu`"),
        ("--executor", "ray"): ("on Ray, cells get no GPU", "add --gpus"),
    }
    for more, (what, hint) in says.items():
        told = the_experiment(*asked, *more, CUDA_VISIBLE_DEVICES="")
        assert (told.returncode, told.stdout) == (1 if not more else 2, "")
        assert what in told.stderr
        assert hint in told.stderr


def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, found in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr("torch.cuda.is_available", lambda there=there: there)
        assert chosen_device("auto", "local", 0) == found
        assert chosen_device("cpu", "local", 0) == "cpu"
        assert chosen_device("auto", "ray", 0) == "cpu"  # whatever this machine has
        assert chosen_device("auto", "ray", 0.5) == "cuda"
