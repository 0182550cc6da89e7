"""Whole experiments: declared in a file, run cell by cell, judged in one sentence."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import string
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from conftest import Command
from looked_into import random_model
from test_inside_verbs import said
from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import BESIDE
from the_experiment.base.seeds import Stream
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.engine.executor import LocalExecutor, SerialExecutor
from the_experiment.engine.store import Store
from the_experiment.evaluation.verdict import fewest_cases
from the_experiment.experiments.declaration import (
    experiment_names,
    find_experiment,
    write_new_experiment,
)
from the_experiment.experiments.experiment import KINDS
from the_experiment.experiments.recipe import TrainingRecipe
from the_experiment.experiments.running import compute, run, write_report
from the_experiment.experiments.splits.analysis import outcome_of
from the_experiment.experiments.splits.cells import Fit, fits_of
from the_experiment.experiments.splits.config import SplitsExperiment
from the_experiment.experiments.splits.judgement import Judgement, judge_claim
from the_experiment.experiments.splits.results import has_fitted, rows_of, scores_of
from the_experiment.report.outcome import outcome_view, write_outcome
from the_experiment.training.config import TrainConfig
from the_experiment.worlds import EXACT, find_world

TEMPLATE = (files("the_experiment.experiments.splits") / "new.yaml").read_text()
RULES = ("newA", "newB", "newC", "newD")
NEW = yaml.load(TEMPLATE.replace("{name}", "new"), Loader=yaml.BaseLoader)
EXAMPLE = Path(__file__).parent.parent / "examples" / "half-hidden.yaml"


def written(path: Path, values: object) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def grid(name_or_file: str) -> SplitsExperiment:
    """The experiment on splits of this name or file."""
    experiment = find_experiment(name_or_file)
    assert isinstance(experiment, SplitsExperiment)
    return experiment


@pytest.mark.parametrize("name", experiment_names())
def test_every_shipped_experiment_reads_and_has_cells(name: str, tmp_path: Path) -> None:
    experiment = find_experiment(name)
    keys = [cell.digest for cell in experiment.cells(tmp_path, quick=False).values()]
    assert len(keys) == len(set(keys)) > 0
    assert 0 < len(experiment.cells(tmp_path, quick=True)) <= len(keys)
    assert experiment.summary()


@pytest.mark.parametrize("name", experiment_names())
def test_an_experiment_round_trips_through_yaml_and_json(name: str, tmp_path: Path) -> None:
    experiment = find_experiment(name)
    written(tmp_path / "again.yaml", experiment.model_dump(mode="json", exclude_none=True))
    assert find_experiment(str(tmp_path / "again.yaml")) == experiment
    (tmp_path / "experiment.json").write_text(experiment.model_dump_json())
    assert find_experiment(str(tmp_path)) == experiment


def random_folder(folder: Path) -> None:
    """A random model that knows all characters, as Hugging Face lays it out."""
    tokenizer = character_tokenizer(string.printable)
    random_model("gpt2", len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize("kind", KINDS.names())
def test_a_file_of_each_kind_is_begun_and_read(
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    random_folder(tmp_path / "out" / "tiny-gpt2-binding")  # what some files name
    said(capsys, "experiments", "new", "mine.yaml", "--kind", kind)
    experiment = find_experiment("mine.yaml")
    assert (experiment.kind, experiment.name) == (kind, "mine")
    assert KINDS[kind].model_fields["kind"].default == kind
    assert experiment.parent in BESIDE  # no training takes that name
    checked, _ = said(capsys, "experiments", "check", "mine.yaml", "--quick")
    assert f"mine ({kind}): " in checked
    assert experiment.question in said(capsys, "experiments", "show", "mine.yaml")[0]
    _, refused = said(capsys, "experiments", "resume", "mine.yaml", code=2)
    assert "was not started" in refused
    _, refused = said(capsys, "experiments", "report", "mine.yaml", code=1)
    assert "is not computed yet" in refused


def test_a_run_leaves_its_manifest_and_is_replayed(
    tmp_path: Path,
    the_experiment: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    random_folder(tmp_path / "out" / "model")
    programs = "kind: programs\nname: mine\nmodels: [model]\nlengths: [2, 3]\nmax_new_tokens: 2\n"
    (tmp_path / "mine.yaml").write_text(programs)
    assert the_experiment("experiments", "run", "mine.yaml").returncode == 0
    folder = tmp_path / "out" / "programs" / "mine"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["created"] <= manifest["finished"]
    assert manifest["command"][-2:] == ["run", "mine.yaml"]
    assert (manifest["arguments"]["seed"], manifest["arguments"]["lengths"]) == (42, [2, 3])
    assert {"python", "the-experiment", "torch"} <= manifest["versions"].keys()
    assert manifest["commit"] is None  # no git checkout
    before = (folder / "manifest.json").read_bytes()
    monkeypatch.chdir(tmp_path)
    said(capsys, "experiments", "run", "out/programs/mine")
    assert (folder / "manifest.json").read_bytes() == before  # nothing was left to do

    replayed, _ = said(capsys, "replay", "out/programs/mine")
    assert "the same figures as in out/programs/mine" in replayed
    results = (folder / "results.json").read_text()
    (folder / "results.json").write_text(results.replace('"n": 10', '"n": 11'))
    _, why = said(capsys, "replay", "out/programs/mine", code=1)
    assert "figures differ; the first is /rows/0/baselines/commonest answer/n: 11 then, 10" in why


def one_cell(folder: Path) -> Path:
    """An experiment of one cell that takes no time, in the folder, and the model that it asks."""
    told = {"kind": "programs", "name": "mine", "models": ["model"], "lengths": [2]}
    random_folder(folder / "out" / "model")
    return written(folder / "mine.yaml", {**told, "max_new_tokens": 1})


def test_a_begun_experiment_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one_cell(tmp_path)
    monkeypatch.chdir(tmp_path)
    said(capsys, "experiments", "run", "mine.yaml")
    folder = tmp_path / "out" / "programs" / "mine"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for words in (("experiments", "report"), ("experiments", "resume"), ("replay",)):
        said(capsys, *words, str(folder))
    monkeypatch.chdir(folder)
    assert "the same figures" in said(capsys, "replay", ".")[0]
    assert not (elsewhere / "out").exists()
    model = tmp_path / "out" / "model" / "model.safetensors"
    os.utime(model, (1, 1))  # it may be another one by now
    monkeypatch.chdir(tmp_path)
    assert "has changed since" in said(capsys, "replay", str(folder), code=1)[1]


def test_a_run_with_other_settings_keeps_the_earlier_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one_cell(tmp_path)
    monkeypatch.chdir(tmp_path)
    said(capsys, "experiments", "run", "mine.yaml")
    folder = tmp_path / "out" / "programs" / "mine"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    said(capsys, "experiments", "run", "mine.yaml")
    assert not (folder / "archive").exists()  # the same settings
    text = (tmp_path / "mine.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("max_new_tokens: 1", "max_new_tokens: 2"))
    assert "is kept in" in said(capsys, "experiments", "run", "mine.yaml", "--quick")[1]
    (kept,) = (folder / "archive").glob("report-*")
    tables = {"cells.jsonl", "cells.parquet"}
    for name in before.keys() - tables:
        assert (kept / name).read_bytes() == before[name]
    assert not tables & {path.name for path in kept.iterdir()}
    assert json.loads((folder / "experiment.json").read_text())["max_new_tokens"] == 2
    assert len(list((folder / "cells").glob("*.json"))) == 2
    # a setting that an earlier version had not is no other one
    declared = json.loads((folder / "experiment.json").read_text())
    del declared["dtype"]
    (folder / "experiment.json").write_text(json.dumps(declared))
    said(capsys, "experiments", "run", "mine.yaml", "--quick")
    assert [*(folder / "archive").glob("report-*")] == [kept]


def test_a_world_beside_the_file_is_found_from_anywhere(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE.with_name("three-bits.yaml"), tmp_path)
    shutil.copy(EXAMPLE, tmp_path / "mine.yaml")
    experiment = find_experiment(str(tmp_path / "mine.yaml"))
    cells = dict(list(experiment.cells(tmp_path, quick=False).items())[:1])
    compute(experiment, cells, tmp_path / "out", SerialExecutor())
    begun = find_experiment(str(experiment.folder(tmp_path / "out")))
    assert begun == experiment.model_copy(update={"world": str(tmp_path / "three-bits.yaml")})


def test_a_folder_of_another_kind_or_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    experiment = find_experiment(str(EXAMPLE))
    folder = experiment.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ExperimentError, match="is not an experiment folder"):
        run(experiment, tmp_path)
    (folder / "experiment.json").write_text('{"kind": "dynamics"}')
    with pytest.raises(ExperimentError, match="holds an experiment of kind dynamics, not splits"):
        run(experiment, tmp_path)
    assert {path.name for path in folder.iterdir()} == {"notes.txt", "experiment.json"}


@pytest.mark.parametrize(
    ("line", "told"), [("", "kind: is missing"), ("kind: nine", "no kind 'nine'")]
)
def test_what_kind_a_file_is_stands_in_it(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEMPLATE.replace("kind: splits", line))
    with pytest.raises(ExperimentError, match=told):
        find_experiment(str(path))


def test_seed_claim_holds_out_as_it_says() -> None:
    fits = [fit for fit in fits_of(grid("seed-claim")) if fit.entry]
    by_way = {way: [c for c in fits if c.hold_outs == way] for way in {c.hold_outs for c in fits}}
    assert {way: len(found) for way, found in by_way.items()} == {
        "leave one out": 32 * 4,  # of one seed
        "random 6 of 32": 4 * 6,
        "random 16 of 32": 4 * 6,
        "quadrant of newA": 4 * 6,
        "quadrant of newC": 4 * 6,
        "quadrant of newD": 4 * 6,
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"seeds": []}, "seeds: should not be empty"),
        ({"seeds": [-1]}, "seeds.0: should be 0 or more"),
        ({"claim": {**NEW["claim"], "than": "gpt2"}}, "can't be better than itself"),
        (
            {"hold_outs": {"a quarter": {"fractoin": 0.25}}},
            "hold_outs.a quarter.fractoin: unknown key; known are each_state, fraction, where",
        ),
        ({"hold_outs": {"a": {"fraction": 0.5, "where": "A"}}}, "one of each_state"),
        ({"models": {}}, "models"),
        (
            {"hold_outs": {"a quarter": {"fraction": 0.25}, "b": {"where": "A"}}}
            | {"quick": {"hold_outs": ["b"]}},
            "none of them is what the claim is about",
        ),
        ({"world": "nowhere"}, "world: there is no world called 'nowhere'"),
        ({"world": "a" * 300}, "world: there is no world called 'aaa"),
        (
            {"models": {"majority": {"model": "cnn"}, **NEW["models"]}},
            "majority: this is the name of",
        ),
        ({"measures": {"rules": ["newZ"]}}, "measures.rules: 'newZ' is not one of newA"),
        ({"measures": {"exact": ["newA"]}}, "measures: exact is always there"),
        ({"measures": {"rules": []}}, "measures.rules: should not be empty"),
        ({"seeds": [1, 1]}, "seeds: 1 comes twice"),
        ({"claim": {**NEW["claim"], "on": []}}, "claim.on: should not be empty"),
        (
            {"hold_outs": {"a quarter": {"where": "A AND"}}},
            "hold_outs.a quarter: the condition, column 6: ",
        ),
        (
            {"hold_outs": {"a quarter": {"where": "A AND Q"}}},
            "hold_outs.a quarter: the condition, column 7: unknown name 'Q'; known are A, B",
        ),
        (
            {"hold_outs": {"a quarter": {"where": ""}}},
            "hold_outs.a quarter.where: should not be empty",
        ),
        ({"hold_outs": {"a quarter": {"fraction": 0.001}}}, "holds out none of the 32 states"),
        ({"hold_outs": {"a quarter": {"where": "A OR NOT A"}}}, "a quarter: all 32 states"),
    ],
)
def test_a_wrong_file_names_its_key(tmp_path: Path, change: dict[str, object], told: str) -> None:
    path = written(tmp_path / "wrong.yaml", {**NEW, **change})
    with pytest.raises(ExperimentError) as caught:
        find_experiment(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert told in re.sub(r", line \d+, column \d+", "", str(caught.value))
    assert caught.value.exit_code == 1


def test_a_misspelt_key_is_told_before_the_one_that_is_missing_for_it(tmp_path: Path) -> None:
    misspelt = {("models_" if key == "models" else key): value for key, value in NEW.items()}
    path = written(tmp_path / "wrong.yaml", misspelt)
    with pytest.raises(
        ExperimentError,
        match=r"wrong.yaml: models_, line 24, column 1: unknown key; known are kind, name, q",
    ):
        find_experiment(str(path))


def test_an_unknown_model_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    models = {"gpt2": {"model": "gpt9"}, "rnn": {"model": "rnn"}}
    path = written(tmp_path / "wrong.yaml", {**NEW, "models": models})
    said(capsys, "experiments", "show", str(path))
    _, why = said(capsys, "experiments", "run", str(path), code=1)
    assert f"{path}: models.gpt2.model: 'gpt9' is not one of cnn, gpt2, rnn" in why
    assert "Traceback" not in why
    assert not (tmp_path / "out").exists()


def test_to_show_an_experiment_needs_no_torch() -> None:
    code = "import sys; from the_experiment.experiments import declaration as d; "
    code += "[d.find_experiment(name).summary() for name in d.experiment_names()]; "
    code += "sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("stem", ["_mine", "a" * 200, "--", "ü"])
def test_a_new_file_of_any_name_can_be_read(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.yaml"
    write_new_experiment(path, "splits")
    assert find_experiment(str(path)).name.isascii()


def test_a_name_too_long_for_a_file_is_told() -> None:
    with pytest.raises(ExperimentError, match="there is no experiment called"):
        find_experiment("a" * 300)
    with pytest.raises(ExperimentError, match="name too long"):
        write_new_experiment(Path("a" * 300), "splits")


def test_a_new_file_is_an_experiment_and_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "my own.yaml"
    write_new_experiment(path, "splits")
    assert find_experiment(str(path)).name == "my-own"
    with pytest.raises(ExperimentError, match="already exists"):
        write_new_experiment(path, "splits")


def test_a_cell_is_another_one_when_what_it_depends_on_changes() -> None:
    experiment = grid(str(EXAMPLE))
    longer = experiment.model_copy(
        update={"train": experiment.train.model_copy(update={"learning_rate": 1e-3})}
    )
    before = {fit.contestant: fit.cell.digest for fit in fits_of(experiment)}
    after = {fit.contestant: fit.cell.digest for fit in fits_of(longer)}
    assert {name for name in before if before[name] != after[name]} == {"GPT-2", "RNN"}


def held_out_prompts(fit: Fit) -> list[str]:
    world = find_world("causal")
    return world.prompts(world.states_at(fit.hold_out.resolve(world, fit.seed)))


def made_up_result(fit: Fit, share: float, *, fitted: bool = True) -> dict[str, Any]:
    """A cell that is exact on this share of its held-out states, and has all rules right."""
    prompts = held_out_prompts(fit)
    held_out = {
        prompt: dict.fromkeys(RULES, True)
        | dict.fromkeys(("sum", "sum2", EXACT), number < share * len(prompts))
        for number, prompt in enumerate(prompts)
    }
    return {"held_out": held_out, "seen": {"a": {EXACT: True}, "b": {EXACT: fitted}}}


def judgements(experiment: SplitsExperiment, results: dict[Fit, dict[str, Any]]) -> list[Judgement]:
    return judge_claim(experiment, scores_of(experiment, results))


def made_up_experiment(seeds: int, **hold_out: object) -> SplitsExperiment:
    """A new file's experiment, with seeds from 0 and one way of holding out: a quarter."""
    hold_outs = {"a quarter": hold_out or {"fraction": 0.25}}
    return SplitsExperiment.model_validate(
        {**NEW, "seeds": list(range(seeds)), "hold_outs": hold_outs}
    )


def judged(better: list[float], than: list[float], tree: float, unfit: int = 0) -> str:
    """The outcome for held-out shares by seed, on ten states each."""
    experiment = made_up_experiment(seeds=len(better)).model_copy(update={"measures": {}})
    shares = {"gpt2": better, "rnn": than}
    results = {}
    for fit in fits_of(experiment):
        share = shares.get(fit.contestant, [tree] * len(better))[fit.seed]
        fitted = not (fit.contestant == "rnn" and fit.seed < unfit)
        results[fit] = made_up_result(fit, share, fitted=fitted)
    return judgements(experiment, results)[0].outcome


def test_judgement_weighs_the_rival_the_baseline_and_the_fit() -> None:
    high, low = [0.9] * 6, [0.2] * 6
    assert judged(high, low, tree=0.1) == "this counts for the claim"
    assert judged(low, high, tree=0.1) == "this counts against the claim"
    assert "decision tree does as well" in judged(high, low, tree=0.9)
    assert "cannot be told apart" in judged(high, high, tree=0.1)
    assert "cannot be judged" in judged(high, low, tree=0.1, unfit=4)


def test_too_few_pairs_are_not_judged_either_way() -> None:
    assert judged([0.9] * 5, [0.2] * 5, tree=0.1) == (
        "only 5 pairs, and fewer than 6 cannot tell chance from more: not judged"
    )
    assert judged([0.2], [0.2], tree=0.1).startswith("only 1 pair, and")
    assert "cannot be judged" in judged([0.9] * 5, [0.2] * 5, tree=0.1, unfit=3)
    assert "cannot be judged" in judged([0.9] * 5, [0.2] * 5, tree=0.1, unfit=5)


def test_what_goes_one_way_by_split_and_the_other_by_case_is_not_told_apart() -> None:
    hold_outs = {"most": {"fraction": 0.75, "seeds": [0]}, "some": {"fraction": 0.1}}
    claim = {**NEW["claim"], "on": ["most", "some"]}
    changes = {"hold_outs": hold_outs, "claim": claim, "seeds": list(range(10))}
    experiment = SplitsExperiment.model_validate({**NEW, **changes})
    shares = {
        "most": {"gpt2": 0.5, "rnn": 1.0},  # one split of 24 states, in which the other model wins
        "some": {"gpt2": 0.6, "rnn": 0.3},  # ten splits of 3
    }
    results = {
        fit: made_up_result(fit, shares[fit.hold_outs].get(fit.contestant, 0.0))
        for fit in fits_of(experiment)
    }
    judgement, *_ = judgements(experiment, results)
    assert judgement.better.mean < judgement.than.mean
    assert judgement.rival.difference > 0
    assert judgement.outcome.startswith("the two cannot be told apart")


def graded_result(fit: Fit, rules: list[bool], sums: list[bool] | None = None) -> dict[str, Any]:
    """A fitted cell, right or wrong in its rules and sums state by state."""
    states = {
        prompt: {
            **dict.fromkeys(RULES, rule),
            **dict.fromkeys(("sum", "sum2"), right),
            EXACT: rule and right,
        }
        for prompt, rule, right in zip(held_out_prompts(fit), rules, sums or rules, strict=True)
    }
    return {"held_out": states, "seen": {"a": {EXACT: True}}}


QUADRANTS = {
    f"{one}, {other}": {"where": f"{one} AND {other}"}
    for first, second in ("AC", "BE")
    for one in (first, f"NOT {first}")
    for other in (second, f"NOT {second}")
}


def by_rules(seeds: int, **changes: Any) -> SplitsExperiment:
    """Each quadrant is one new case of one rule; the claim is about all of them, by `rules`."""
    claim = {**NEW["claim"], "on": [*QUADRANTS], "measure": "rules"}
    given = {**NEW, "hold_outs": QUADRANTS, "claim": claim, "seeds": list(range(seeds))}
    return SplitsExperiment.model_validate({**given, **changes})


def test_a_coin_counts_for_no_claim_where_all_others_are_wrong() -> None:
    experiment = by_rules(seeds=10)
    coin = Stream(3, "coin")
    results = {
        fit: graded_result(fit, [fit.contestant == "gpt2" and bool(coin.below(2, 1)[0])] * 8)
        for fit in fits_of(experiment)
    }
    judgement, *_ = judgements(experiment, results)
    assert (judgement.new_cases, judgement.pairs) == (8, 80)
    assert judgement.rival.beyond_chance
    assert judgement.outcome == (
        "the two differ as claimed, but guessing may do as well: no rule is shown"
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_coin_that_is_kept_over_splits_counts_for_no_claim(seed: int) -> None:
    """One coin for each state: ten splits of the same states are not ten times the evidence."""
    hold_outs = {"half": {"fraction": 0.5}}
    claim = {**NEW["claim"], "on": ["half"], "measure": "rules"}
    experiment = by_rules(seeds=10, hold_outs=hold_outs, claim=claim)
    world = find_world("causal")
    coins = dict(
        zip(world.prompts(world.states()), Stream(seed, "coins").below(2, 32), strict=True)
    )
    results = {
        fit: graded_result(
            fit,
            [fit.contestant == "gpt2" and bool(coins[prompt]) for prompt in held_out_prompts(fit)],
        )
        for fit in fits_of(experiment)
    }
    for fit, result in results.items():  # all but one rule are right
        for state in result["held_out"].values():
            state.update(dict.fromkeys(RULES[1:], fit.contestant != "rnn"))
    judgement, *_ = judgements(experiment, results)
    assert (judgement.pairs, judgement.new_cases) == (10, 32)
    assert judgement.rival.beyond_chance
    assert judgement.outcome.endswith("guessing may do as well: no rule is shown")


def test_a_constant_answer_counts_for_no_claim(tmp_path: Path) -> None:
    """In the hidden quadrant the rule is 0 in 31 of 32 cases, and so says one model, always."""
    names = "ABCDEFG"
    (tmp_path / "padded.yaml").write_text(
        "name: padded\ninputs: {" + ", ".join(f"{name}: bool" for name in names) + "}\n"
        "rules: {newA: (A XOR C) XOR (B AND D AND E AND F AND G)}\n"
        "prompt: '" + "".join(f"{{{name}}}" for name in names) + "'\n"
        "completion: '={newA}'\n"
    )
    experiment = by_rules(
        seeds=8,
        world=str(tmp_path / "padded.yaml"),
        hold_outs={"quadrant": {"where": "A AND C"}},
        claim={**NEW["claim"], "on": ["quadrant"], "measure": "rules"},
        measures={"rules": ["newA"]},
    )
    world = find_world(experiment.world)
    hidden = HoldOut(where="A AND C").resolve(world, seed=0)
    states = world.states_at(hidden)
    is_0 = world.evaluate(states)["newA"] == 0
    results = {
        fit: {
            "held_out": {
                prompt: dict.fromkeys((EXACT, "newA"), fit.contestant == "gpt2" and bool(right))
                for prompt, right in zip(world.prompts(states), is_0, strict=True)
            },
            "seen": {"a": {EXACT: True}},
        }
        for fit in fits_of(experiment)
    }
    judgement, *_ = judgements(experiment, results)
    assert judgement.better.average == "248/256"
    assert judgement.outcome.endswith("guessing may do as well: no rule is shown")


def test_a_case_that_is_judged_in_every_seed_is_one_case() -> None:
    """Sums are judged where the rules are right: in one and the same of eight cases."""
    measures = {"sums": ["sum", "sum2"]}
    hold_outs = {"quadrant": {"where": "A AND C"}}
    claim = {**NEW["claim"], "measure": "sums", "on": ["quadrant"]}
    experiment = by_rules(seeds=8, hold_outs=hold_outs, claim=claim, measures=measures)
    one = [True] + [False] * 7
    results = {
        fit: graded_result(fit, one, one if fit.contestant == "gpt2" else [False] * 8)
        for fit in fits_of(experiment)
    }
    sums, *_ = judgements(experiment, results)
    assert (sums.new_cases, sums.better.average) == (1, "8/8")
    assert sums.outcome.startswith("only 1 new case, and fewer than")


def test_a_claim_by_exact_match_is_about_all_parts() -> None:
    hold_outs = {"half": {"fraction": 0.5}}
    claim = {**NEW["claim"], "on": ["half"], "measure": "exact"}
    experiment = by_rules(seeds=8, hold_outs=hold_outs, claim=claim, measures={})
    results = {
        fit: graded_result(fit, [fit.contestant == "gpt2"] * 16) for fit in fits_of(experiment)
    }
    (exact,) = judgements(experiment, results)
    assert exact.outcome == "this counts for the claim"


def test_the_best_pattern_for_each_rule_counts_for_no_claim() -> None:
    """One baseline has half of the rules, another the other half: together they have all."""
    hold_outs = {"some": {"fraction": 0.1875}}
    claim = {**NEW["claim"], "on": ["some"], "measure": "rules"}
    experiment = by_rules(seeds=10, hold_outs=hold_outs, claim=claim)
    known = {"decision tree": RULES[:2], "majority": RULES[2:], "gpt2": RULES}
    results = {fit: graded_result(fit, [False] * 6) for fit in fits_of(experiment)}
    for fit, result in results.items():
        for state in result["held_out"].values():
            state.update(dict.fromkeys(known.get(fit.contestant, ()), True))
    judgement, *_ = judgements(experiment, results)
    assert judgement.outcome == (
        "the two differ as claimed, but the best pattern for each part does as well: "
        "no rule is shown"
    )


def test_ways_that_hide_the_same_states_are_one_pair() -> None:
    names = ("A AND C", "C AND A", "A * C == 1", "NOT (NOT A OR NOT C)", "A AND C AND A", "A*C > 0")
    hold_outs = {name: {"where": name} for name in names}
    claim = {**NEW["claim"], "on": [*names], "measure": "rules"}
    experiment = by_rules(seeds=1, hold_outs=hold_outs, claim=claim)
    results = {
        fit: graded_result(fit, [fit.contestant == "gpt2"] * 8) for fit in fits_of(experiment)
    }
    judgement, *_ = judgements(experiment, results)
    assert (judgement.pairs, judgement.new_cases) == (1, 1)


def test_a_state_alone_and_among_all_is_one_split() -> None:
    hold_outs = {"each": {"each_state": True}, "ones": {"where": "A AND B AND C AND D AND E"}}
    claim = {**NEW["claim"], "on": ["each", "ones"]}
    experiment = by_rules(seeds=3, hold_outs=hold_outs, claim=claim)
    results = {
        fit: made_up_result(fit, float(fit.contestant == "gpt2")) for fit in fits_of(experiment)
    }
    assert judgements(experiment, results)[0].pairs == 32


def test_a_case_is_right_if_it_is_in_all_its_states() -> None:
    experiment = by_rules(seeds=1)
    shares = {"gpt2": [True] * 7 + [False], "rnn": [True] * 8}
    results = {
        fit: graded_result(fit, shares.get(fit.contestant, [False] * 8))
        for fit in fits_of(experiment)
    }
    rows = rows_of(experiment, scores_of(experiment, results))
    told = {
        (row.contestant, row.total.average, row.new_cases) for row in rows if row.measure == "rules"
    }
    assert ("gpt2", "0/1", 1) in told
    assert ("rnn", "1/1", 1) in told
    judgement, *_ = judgements(experiment, results)
    assert (judgement.better.average, judgement.than.average) == ("0/8", "8/8")


def test_sums_are_compared_where_a_model_has_the_rules_right() -> None:
    measures = {"sums": ["sum", "sum2"], "rules": [*RULES]}
    claim = {**NEW["claim"], "measure": "sums"}
    seeds = list(range(8))
    experiment = SplitsExperiment.model_validate(
        {**NEW, "hold_outs": {"a quarter": {"fraction": 0.25}}, "claim": claim, "seeds": seeds}
        | {"measures": measures}
    )
    half = [True] * 4 + [False] * 4
    written = {"gpt2": (half, half), "rnn": ([True] * 8, [False] * 8)}
    results = {
        fit: graded_result(fit, *written.get(fit.contestant, ([False] * 8, half)))
        for fit in fits_of(experiment)
    }
    sums, *_ = judgements(experiment, results)
    assert (sums.better.average, sums.than.average) == ("32/32", "0/64")
    assert sums.rival.differences == [1.0] * 8
    assert ", by sums where the rules are right, gpt2 is right in 32/32 new cases" in sums.sentence
    assert sums.baseline_count.n == 32  # baselines are given the rules, and asked the same
    assert sums.pattern.difference == 0.0


@pytest.mark.parametrize(
    ("hold_out", "pairs"),
    [({"each_state": True}, 32), ({"where": "A AND C"}, 3), ({"fraction": 0.25}, 3)],
)
def test_seeds_asked_about_the_same_split_are_one_pair(
    hold_out: dict[str, object], pairs: int
) -> None:
    experiment = made_up_experiment(seeds=3, **hold_out)
    results = {
        fit: made_up_result(fit, float(fit.contestant == "gpt2" and fit.seed < 2))
        for fit in fits_of(experiment)
    }
    judgement, *_ = judgements(experiment, results)
    assert judgement.pairs == pairs
    assert judgement.rival.difference == pytest.approx(2 / 3)
    assert max(judgement.rival.differences) == pytest.approx(
        2 / 3 if "each_state" in hold_out else 1.0
    )


def test_a_model_fitted_if_it_was_right_on_every_seen_state() -> None:
    fits = {fit.contestant: fit for fit in fits_of(made_up_experiment(seeds=1))}
    unfit = made_up_result(fits["gpt2"], 1.0, fitted=False)
    written_before = {**unfit, "fitted": None}  # as it was with `until_fit: false`
    assert not has_fitted(fits["gpt2"], written_before)
    assert has_fitted(fits["gpt2"], made_up_result(fits["gpt2"], 0.0))
    assert has_fitted(fits["decision tree"], unfit)
    assert has_fitted(fits["decision tree"], {"seen": None, "held_out": None})


def test_a_new_file_can_be_judged(tmp_path: Path) -> None:
    write_new_experiment(tmp_path / "mine.yaml", "splits")
    experiment = grid(str(tmp_path / "mine.yaml"))
    results = {fit: made_up_result(fit, 0.5) for fit in fits_of(experiment)}
    assert judgements(experiment, results)[0].pairs >= fewest_cases(2)


def test_a_quick_sentence_names_only_what_was_run() -> None:
    shipped = grid("seed-claim")
    quick = shipped.quick.model_copy(update={"hold_outs": ["random 6 of 32"]})
    experiment = shipped.model_copy(update={"quick": quick})
    results = {fit: graded_result(fit, [False] * 6) for fit in fits_of(experiment, quick=True)}
    assert judgements(experiment, results)[0].sentence.startswith("On random 6 of 32, by")


def test_baselines_are_fitted_to_the_states_that_the_models_are_shown(tmp_path: Path) -> None:
    experiment = made_up_experiment(seeds=1).model_copy(
        update={"train": TrainingRecipe(train_rows=8)}
    )
    fit = next(fit for fit in fits_of(experiment) if fit.entry is None)
    result = fit.cell.compute({})
    world = find_world(experiment.world)
    sizes = Sizes(train=8, valid=0, test=0)
    folder = generate(world, fit.hold_out, sizes, fit.seed, tmp_path / "data")
    shown = {row["prompt"] for row in folder.rows("train")}
    assert set(result["seen"]) == shown
    assert len(shown) < 24  # not all that are not held out
    assert set(result["held_out"]) == set(folder.manifest.held_out)


def test_names_with_brackets_are_shown_as_they_are() -> None:
    models = {"GPT [x7]": {"model": "gpt2"}, "RNN [/]": {"model": "rnn"}}
    claim = {**NEW["claim"], "better": "GPT [x7]", "than": "RNN [/]", "on": ["half [b]"]}
    changes = {"models": models, "claim": claim, "hold_outs": {"half [b]": {"fraction": 0.5}}}
    experiment = SplitsExperiment.model_validate({**NEW, **changes, "measures": {"[m]": [*RULES]}})
    results = {fit: made_up_result(fit, 0.5) for fit in fits_of(experiment)}
    console = Console(width=200)
    with console.capture() as shown:
        console.print("\n".join(experiment.summary().values()), markup=False)
        console.print(outcome_view(outcome_of(experiment, results, quick=False)))
    for name in ("GPT [x7]", "RNN [/]", "half [b]"):
        assert shown.get().count(name) == 5  # in the sheet, and in both tables and sentences
    assert "exact, [m]" in shown.get()


def test_a_quick_run_keeps_the_full_report(tmp_path: Path) -> None:
    experiment = made_up_experiment(seeds=1)
    results = {fit: made_up_result(fit, 0.5) for fit in fits_of(experiment)}
    full, quick = (
        write_report(
            experiment, outcome_of(experiment, results, quick=quick), tmp_path, quick=quick
        )
        for quick in (False, True)
    )
    folder = tmp_path / "experiments" / experiment.name
    assert (full, quick) == (folder / "report.html", folder / "quick" / "report.html")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert b"--quick" not in before["report.html"]
    assert b"--quick" in quick.read_bytes()
    assert {path.name for path in quick.parent.iterdir()} == before.keys()


def test_a_report_has_no_empty_tables_or_panels(tmp_path: Path) -> None:
    shipped = grid("seed-claim")
    assert shipped.claim is not None
    claim = shipped.claim.model_copy(update={"measure": EXACT})
    experiment = shipped.model_copy(update={"measures": {}, "claim": claim})
    results = {fit: made_up_result(fit, 0.5) for fit in fits_of(experiment, quick=True)}
    outcome = outcome_of(experiment, results, quick=True)
    run = ["random 6 of 32", "random 16 of 32", "quadrant of newA", "leave one out"]
    assert [list(table.columns) for table in outcome.tables] == [["exact in new cases", *run]]
    page = write_outcome(outcome, tmp_path).read_text()
    assert re.findall("<h2>(.*)</h2>", page) == ["exact in new cases", "World causal"]
    assert page.count('id="axes_') == len(run)


def test_a_cell_that_is_not_whole_is_computed_again(tmp_path: Path, logged: list[str]) -> None:
    experiment = made_up_experiment(seeds=5)
    fits = [fit for fit in fits_of(experiment) if fit.contestant == "decision tree"]
    cells = [fit.cell for fit in fits]

    def run() -> list[Any]:
        LocalExecutor(1).run(cells, Store(tmp_path))
        return [Store(tmp_path).read(cell) for cell in cells]

    results = run()
    assert all(len(result["held_out"]) == 8 for result in results)
    places = [Store(tmp_path).path(cell) for cell in cells]
    places[0].write_text(places[0].read_text()[:-9])
    places[1].write_text("[]")
    places[2].write_text(places[2].read_text().replace("1.0", "0.0", 1))
    places[3].write_text(places[4].read_text())
    assert run() == results
    told = [line for line in logged if "computed again" in line]
    assert [line.split(".json")[0] + ".json" for line in told] == [str(one) for one in places[:4]]


def test_models_are_trained_in_the_same_precision_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configs = []

    def stop(config: TrainConfig, _: object) -> None:
        configs.append(config)
        raise InterruptedError

    monkeypatch.setattr("the_experiment.training.loop.train", stop)
    fit = next(fit for fit in fits_of(grid(str(EXAMPLE))) if fit.entry)
    with pytest.raises(InterruptedError):
        fit.cell.compute({})
    assert [config.precision for config in configs] == ["fp32"]


def run_example(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "the_experiment", "experiments", "run", str(EXAMPLE), *words]
    return subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.slow
def test_the_example_runs_and_a_killed_run_does_only_what_is_missing(tmp_path: Path) -> None:
    fits = tmp_path / "out" / "experiments" / "half-hidden" / "cells"
    killed = run_example(tmp_path, "--jobs", "1")
    while not list(fits.glob("*gpt-2*.json")):  # the cell before the last
        assert killed.poll() is None
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    there = {path: path.stat().st_mtime_ns for path in fits.glob("*.json")}
    assert there
    finished = run_example(tmp_path, "--jobs", "1", "--json")
    stdout, stderr = finished.communicate()
    assert finished.returncode == 0, stderr
    assert {path: path.stat().st_mtime_ns for path in there} == there
    told = json.loads(stdout)
    (judgement,) = told["judgements"]
    assert judgement["sentence"].startswith("On half, by exact, GPT-2 is right in ")
    assert {row["contestant"] for row in told["rows"]} >= {"GPT-2", "RNN", "decision tree"}
    page = (fits.parent / "report.html").read_text()
    assert judgement["sentence"] in page
    assert not re.search(r"(src|href)=.http|url\(http|@import", page)  # needs no network
