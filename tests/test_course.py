"""The experiment `binding`: a training looked at along the way, phases told, then traced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from test_inside_verbs import said
from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl
from the_experiment.base.runs import Run
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.declaration import find_experiment
from the_experiment.experiments.dynamics.analysis import Learnt, sentence_of, stretches
from the_experiment.experiments.dynamics.config import DynamicsExperiment
from the_experiment.experiments.dynamics.evaluation_set import (
    ALL,
    FOLLOWED,
    MISLED,
    Accuracies,
    evaluation_set,
)
from the_experiment.models.architectures import Shape, configured
from the_experiment.worlds import find_world
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.programs.interpreter import answer_of

WORLD = """\
name: two-lines
programs: make_variable_binding_program
length: 2..3
hops: 0..1
count: 60
"""
COURSE = """\
kind: dynamics
name: little
question: Does it?
published:
  source: somebody
  setting: a large one
  phases:
    - {what: a digit at random, until: "800", accuracy: about .12}
"""
SCALE = """
  world: two-lines.yaml
  seeds: [1]
  layers: 1
  width: 32
  heads: 2
  train_rows: 240
  epochs: 2
  batch_size: 16
  learning_rate: 5.0e-3
  held_out: 0.1
  look_every: 10
  asked: 8
  traced: 2
"""
COURSE += f"full:{SCALE}quick:{SCALE}"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    (tmp_path / "two-lines.yaml").write_text(WORLD)
    (tmp_path / "little.yaml").write_text(COURSE)
    return tmp_path / "little.yaml"


def test_what_is_asked_is_held_out_and_the_shortcut_is_the_first_constant() -> None:
    world = world_from_text(WORLD, "here")
    held_out = world.states()[::3]
    exam = evaluation_set(world, held_out, each=15, seed=0)
    assert [one.hops for one in exam.asked] == [0] * 15 + [1] * 15
    assert {one.prompt for one in exam.asked} <= set(world.prompts(held_out))
    for one in exam.asked:
        assert int(one.right) == answer_of(one.prompt)
        assert one.shortcut == one.prompt.split("\n")[0].split("=")[1]
    shortcut = exam.baselines()["first line's constant"]
    assert shortcut[ALL].k == sum(one.shortcut == one.right for one in exam.asked)
    assert shortcut[MISLED] == Rate(0, 30 - shortcut[ALL].k)
    commonest = exam.baselines()["commonest answer"][ALL]
    assert 30 * 0.1 <= commonest.k < 30


def looked(right: float, misled: float) -> Accuracies:
    return {
        ALL: Rate(round(100 * right), 100),
        MISLED: Rate(round(100 * misled), 100),
        FOLLOWED: Rate(50, 100),
    }


def test_phases_end_where_the_shortcut_is_found_and_where_it_is_left() -> None:
    course = [(0.1, 0.1), (0.2, 0.1), (0.6, 0.0), (0.6, 0.3), (0.8, 0.6), (0.97, 0.9), (1, 1)]
    looks = {10 * step: looked(*shares) for step, shares in enumerate(course, start=1)}
    baselines = {"commonest answer": looked(0.1, 0.1), "first line's constant": looked(0.6, 0)}
    model = Learnt(1, looks, baselines, {}, {})
    found = stretches(model)
    assert [sorted(one.looks) for one in found] == [[10, 20], [30, 40], [50, 60], [70]]
    assert [one.seen(ALL) for one in found] == [
        ".10–.20 (2 looks)",
        ".60 (2 looks)",
        ".80–.97 (2 looks)",
        "1.0 (1 look)",
    ]
    assert [one.until for one in found] == ["20", "40", "60", "70"]


@pytest.mark.parametrize(
    ("right", "shortcut", "told"),
    [
        (98, 2, "follows references."),
        (61, 34, "follows references in part."),
        (45, 40, "does not follow references."),
    ],
)
def test_following_is_told_by_where_the_first_line_misleads(
    right: int, shortcut: int, told: str
) -> None:
    look = {ALL: Rate(80, 100), MISLED: Rate(right, 100), FOLLOWED: Rate(shortcut, 100)}
    baselines = {"commonest answer": looked(0.1, 0.1), "first line's constant": looked(0.6, 0)}
    model = Learnt(1, {5: look}, baselines, {}, {"1 hop": "too little"})
    assert sentence_of(model).endswith(f"the model {told}")


def test_a_model_that_learns_at_once_has_no_first_phases() -> None:
    baselines = {"commonest answer": looked(0.1, 0.1), "first line's constant": looked(0.6, 0)}
    model = Learnt(1, {5: looked(1, 1)}, baselines, {}, {})
    assert [one.until for one in stretches(model)] == ["–", "–", "–", "5"]
    assert stretches(model)[0].seen(ALL) == "–"


def test_a_course_is_run_reported_and_not_run_again(
    course: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(course.parent)
    call = ("experiments", "run", str(course), "--quick", "--json")
    report = json.loads(said(capsys, *call)[0])
    folder = course.parent / "out" / "experiments" / "little"
    assert report == json.loads((folder / "quick" / "results.json").read_text())
    assert (folder / "quick" / "course.png").is_file()
    assert "Does it?" in (folder / "quick" / "report.html").read_text()
    (training,) = (path for path in (folder / "cells").glob("train-*") if path.is_dir())
    run = Run(training / "run")
    assert run.complete
    lines = [line for line in read_jsonl(run.metrics) if "held_out" in line]
    assert [line["step"] for line in lines] == [10, 20, 30]
    assert all(line["held_out"]["all"][1] == 16 for line in lines)
    before = run.run_json.stat().st_mtime_ns
    assert json.loads(said(capsys, *call)[0]) == report
    assert run.run_json.stat().st_mtime_ns == before
    assert [*report["models"][0]["looks"]] == ["10", "20", "30"]
    assert any("held-out programs are right" in told for told in report["sentences"])


LESSONS = """
  architecture: {model_type: qwen3, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2,
    num_attention_heads: 2, num_key_value_heads: 2, head_dim: 16, use_sliding_window: true,
    sliding_window: 3, layer_types: [sliding_attention, full_attention]}
  lessons:
    - {rows: 100, questions: 5, references: false, batch_size: 10, learning_rate: 1.0e-3}
    - {rows: 300, questions: 2, references: true, batch_size: 10, learning_rate: 1.0e-3}
"""


def test_a_course_with_lessons_goes_on_from_each_to_the_next(
    course: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(course.parent)
    course.write_text(COURSE + LESSONS)
    call = ("experiments", "run", str(course), "--quick", "--json")
    report = json.loads(said(capsys, *call)[0])
    cells = course.parent / "out" / "experiments" / "little" / "cells"
    (folder,) = (path for path in cells.glob("train-*") if path.is_dir())
    runs = {name: Run(folder / name) for name in ("lesson-1", "lesson-2", "run")}
    assert [run.record()["steps"] for run in runs.values()] == [10, 30, 30]
    assert [*report["models"][0]["looks"]] == [str(step) for step in range(10, 71, 10)]
    assert report["models"][0]["lessons"] == [10, 40]
    seen = {row["prompt"] for row in read_jsonl(folder / "data" / "train.jsonl")}
    taught = read_jsonl(folder / "lesson-2.jsonl")
    assert len(taught) == 300
    for row in taught:
        assert any(program.startswith(row["prompt"] + "#") for program in seen)
        for question in row["completion"].split("\n"):
            query, told = question.split(":")
            assert answer_of(f"{row['prompt']}{query}:") == int(told)
    assert not any("a" <= row["prompt"][2] <= "z" for row in read_jsonl(folder / "lesson-1.jsonl"))
    assert json.loads((runs["lesson-2"].final / "config.json").read_text())["sliding_window"] == 3
    assert json.loads(said(capsys, *call)[0]) == report


def test_a_wrong_course_says_what_is_wrong(course: Path) -> None:
    course.write_text(COURSE.replace("look_every", "look_evry"))
    with pytest.raises(ExperimentError, match="unknown key; known are world, seeds"):
        find_experiment(str(course))
    course.write_text(COURSE.replace("look_every: 10", "look_every: 31"))
    with pytest.raises(ExperimentError, match=r"full.*: its 30 steps end before the first look"):
        find_experiment(str(course))
    course.write_text(COURSE.replace("two-lines.yaml", "causal"))
    with pytest.raises(ExperimentError, match="full: world causal has no programs with a number"):
        find_experiment(str(course))


@pytest.mark.parametrize("name", ["binding", "binding-names"])
def test_the_shipped_courses_are_sound(name: str) -> None:
    course = find_experiment(name)
    assert isinstance(course, DynamicsExperiment)
    for scale in (course.full, course.quick):
        assert find_world(scale.world).inputs["hops"].low == 1
        assert scale.width % scale.heads == 0
        if scale.architecture:
            with torch.device("meta"):
                assert configured(scale.architecture, Shape(40, 256)).num_parameters() > 100_000
