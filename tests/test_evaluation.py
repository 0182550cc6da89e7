"""Grading trained models, baselines, intervals and the verdict."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from conftest import EXAMPLES, Command
from test_inside_verbs import said
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.data.split import Split
from the_experiment.evaluation.answers import answer
from the_experiment.evaluation.compare import compare
from the_experiment.evaluation.statistics import Rate, sign_flip
from the_experiment.evaluation.trained import trained_models
from the_experiment.report.comparison import answers_table, comparison_view, sheets
from the_experiment.report.html import refuse_other_files, write_comparison_page
from the_experiment.worlds import EXACT, find_world


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(k_and_n: tuple[int, int]) -> None:
    rate = Rate(*k_and_n)
    assert 0 <= rate.low <= rate.share + 1e-12
    assert rate.share - 1e-12 <= rate.high <= 1


@pytest.mark.parametrize(("n", "low"), [(1, 0.21), (6, 0.61), (8, 0.68), (32, 0.89), (100, 0.96)])
def test_wilson_lower_bounds_of_all_right(n: int, low: float) -> None:
    assert round(Rate(n, n).low, 2) == low


def test_every_model_is_asked_on_every_state_of_its_own_split(trained: Path) -> None:
    (comparison,) = compare(trained_models(trained))
    models = [run for group in comparison.groups for run in group.runs]
    assert [one.name for one in models] == [
        "tiny-cnn-three-bits",
        "tiny-gpt2-three-bits",
        "tiny-rnn-three-bits",
    ]
    for model in models:
        assert model.seen[EXACT] == Rate(6, 6)  # trained until fit
        assert model.held_out[EXACT].new.n == 2
        exact = model.held_out[EXACT].new.always
        assert exact <= min(score.new.always for score in model.held_out.values() if score.new.n)


def test_answers_say_what_was_held_out_and_grade_by_part(trained: Path) -> None:
    models = trained_models(trained)
    held_out = models[0].split.manifest.held_out[0]
    told = answer(held_out, models).as_json()
    world = models[0].split.world
    assert told["rule"]["completion"] == world.answer(held_out)
    for model in told["models"].values():
        assert model["held_out"] is True
        right = all(part["correct"] for part in model["parts"].values())
        assert model["correct"] == (model["completion"] == world.answer(held_out))
        assert right or not model["correct"]
        assert model["logprob"] <= 0
        assert all(0 <= part["probability"] <= 1 for part in model["parts"].values())


def test_scores_agree_with_transformers_own_greedy_generate(trained: Path) -> None:
    """Exact by one teacher-forced forward is exact by `generate`, for each model and state."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for model in trained_models(trained):
        world = model.split.world
        prompts = world.prompts(world.states())
        plain = AutoModelForCausalLM.from_pretrained(model.run.final).eval()
        tokenizer = AutoTokenizer.from_pretrained(model.run.final)
        inputs = tokenizer(prompts, return_tensors="pt", add_special_tokens=False)
        written = plain.generate(
            input_ids=inputs["input_ids"], max_new_tokens=8, do_sample=False, pad_token_id=0
        )
        texts = tokenizer.batch_decode(written[:, 3:], skip_special_tokens=True)
        for one, text in zip(model.complete(prompts), texts, strict=True):
            assert one.exact == (text == world.answer(one.prompt))
            assert one.text == text


def test_the_split_is_found_again_from_the_run_alone(trained: Path) -> None:
    split = Split(trained_models(trained)[0].split.manifest)
    assert len(split.seen) == 6
    assert not {*split.world.prompts(split.seen)} & {*split.manifest.held_out}


def test_the_table_says_what_is_missing_and_whose_probability_it_shows(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = answer("001", trained_models(trained)[:1])
    (model,) = told.models
    first, *_ = model.completion.parts
    missing = {first: replace(model.completion.parts[first], written=None)}
    unwritten = replace(model.completion, text="", parts=model.completion.parts | missing)
    Console(width=200).print(
        answers_table(replace(told, models=[replace(model, completion=unwritten)]))
    )
    table = capsys.readouterr().out
    assert f"missing, should be {missing[first].expected}" in table
    assert re.search(rf"log p of right answer +{model.completion.logprob:.2f}", table)


def test_models_can_be_named(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (gpt2,) = trained_models(trained, names=["tiny-g*"])
    assert gpt2.name.startswith("tiny-gpt2")
    both = trained_models(trained, names=["tiny-rnn*", gpt2.name, "tiny-g*"])
    assert [one.name[:8] for one in both] == ["tiny-rnn", "tiny-gpt"]
    assert trained_models(trained, names=[str(gpt2.run.folder)])[0].name == gpt2.name
    twice = trained_models(trained, names=[gpt2.name, str(gpt2.run.folder)])
    assert [one.name for one in twice] == [gpt2.name]
    shutil.copytree(gpt2.run.folder, tmp_path / gpt2.name)
    with pytest.raises(UsageError, match="have the same name"):
        trained_models(trained, names=[gpt2.name, str(tmp_path / gpt2.name)])
    with pytest.raises(UsageError, match="no trained model called 'nobody'"):
        trained_models(trained, names=["tiny-g*", "nobody"])
    shutil.copytree(gpt2.run.final, tmp_path / "plain")
    with pytest.raises(UsageError, match="is a model without a world"):
        trained_models(trained, names=[str(tmp_path / "plain")])
    monkeypatch.chdir(tmp_path)
    for words in (["test", "001"], ["compare"]):
        told, _ = said(capsys, *words, "-m", "tiny-g*", "--out", str(trained))
        assert "tiny-gpt2" in told
        assert "tiny-rnn" not in told
        _, why = said(capsys, *words, "-m", "plain", "--out", str(trained), code=2)
        assert "plain is a model without a world" in why


def test_models_that_no_rules_judge_are_left_out(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    for file in out.glob("tiny-cnn-*/dataset.json"):
        file.unlink()
    assert [model.name[:9] for model in trained_models(out)] == ["tiny-gpt2", "tiny-rnn-"]
    for file in out.glob("*/dataset.json"):
        file.unlink()
    says = "no model to grade by rules in .*: their data has no rules: run .* generate`"
    with pytest.raises(ExperimentError, match=says):
        trained_models(out)


def test_a_world_that_was_changed_since_is_another_one(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    first = next(iter(sorted(out.glob("*/dataset.json"))))
    manifest = json.loads(first.read_text())
    text = manifest["world_text"]
    for change, left in (("# a comment\n" + text, 3), (text.replace("XOR", "AND"), 1)):
        first.write_text(json.dumps(manifest | {"world_text": change}))
        told = answer("001", trained_models(out))
        assert len(told.models) == left
        for one in told.models:
            expected = {part: grade.expected for part, grade in one.completion.parts.items()}
            assert expected == told.as_json()["rule"]["parts"]
    assert len(trained_models(out, str(EXAMPLES / "three-bits.yaml"))) == 2
    hint = "run `the-experiment generate -w relay`, then `the-experiment train`"
    with pytest.raises(ExperimentError, match=f"no model of world relay in .*: {hint}"):
        trained_models(out, "relay")


@pytest.mark.parametrize("verb", [("test", "001"), ("compare",)])
def test_a_file_with_other_rules_under_the_same_name_is_not_ignored(
    the_experiment: Command, trained: Path, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    edited = tmp_path / "edited.yaml"
    edited.write_text((EXAMPLES / "three-bits.yaml").read_text().replace("XOR", "AND"))
    told = the_experiment(*verb, "-w", str(edited), "--out", str(trained))
    assert (told.returncode, told.stdout) == (1, "")
    which = "it was trained on another version of world three-bits"
    assert f"tiny-cnn-three-bits is left out: {which}" in told.stderr
    assert "error: no model of this version of world three-bits" in told.stderr


@pytest.mark.parametrize("harm", ["", "{}"])
def test_what_is_torn_in_a_run_is_mended_by_training_again(
    trained: Path, tmp_path: Path, harm: str
) -> None:
    run = tmp_path / "out" / "torn"
    shutil.copytree(next(trained.glob("tiny-cnn-*")), run)
    (run / "dataset.json").write_text(harm)
    with pytest.raises(ExperimentError, match=r"dataset\.json.*: run `the-experiment train` again"):
        trained_models(tmp_path / "out", "relay")


def test_a_state_in_no_training_row_was_not_seen(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "out" / "small"
    shutil.copytree(next(trained.glob("tiny-cnn-*")), run)
    manifest = json.loads((run / "dataset.json").read_text())
    manifest["rows"]["train"] = 2
    (run / "dataset.json").write_text(json.dumps(manifest))
    models = trained_models(tmp_path / "out")
    prompts = models[0].split.world.prompts(models[0].split.world.states())
    shown = Counter(answer(prompt, models).models[0].shown for prompt in prompts)
    assert sum(n for told, n in shown.items() if told.startswith("held out, new: ")) == 2
    assert 1 <= shown["seen in training"] <= 2
    others = sum(n for told, n in shown.items() if told.startswith("in no training row, new: "))
    assert others == 6 - shown["seen in training"]


def test_a_sample_of_the_states_is_told_as_one(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (comparison,) = compare(trained_models(trained))
    sampled = replace(comparison, states={"seen": 12_345, "held_out": 2})
    page = tmp_path / "page.html"
    write_comparison_page([sampled], page)
    Console(width=200).print(comparison_view(sampled))
    for told in (page.read_text(), capsys.readouterr().out):
        assert "6 of 12,345 seen states" in told
        assert "2 held-out states" in told
        assert "of 2 held-out" not in told


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_figure_is_cut_on_a_narrow_screen(
    trained: Path, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    (comparison,) = compare(trained_models(trained))
    Console(width=width).print(comparison_view(comparison))
    lines = capsys.readouterr().out.splitlines()
    tables = lines[: next(n for n, line in enumerate(lines) if line.startswith("Each cell"))]
    for sheet in sheets(comparison):
        for row in sheet.rows:
            told = " ".join(line for line in tables if line.startswith(row.name))
            assert all(cell in told for cell in row.cells)
    assert "…" not in "".join(tables)


def test_nothing_held_out_is_told_and_not_compared(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "out" / "all-seen"
    shutil.copytree(next(trained.glob("tiny-cnn-*")), run)
    manifest = json.loads((run / "dataset.json").read_text())
    (run / "dataset.json").write_text(json.dumps(manifest | {"held_out": []}))
    (comparison,) = compare(trained_models(tmp_path / "out"))
    assert comparison.limits[0].startswith("Nothing is held out")
    assert len(comparison.exam.held_out) == 0
    assert len(comparison.contestants) > 1
    Console().print(comparison_view(comparison))
    write_comparison_page([comparison], tmp_path / "page.html")


def test_an_unfinished_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_text("model: cnn")
    with pytest.raises(ExperimentError, match=r"no finished model in .* \(begun: half\)"):
        trained_models(tmp_path)


@pytest.mark.slow
def test_test_and_compare_print_json(
    the_experiment: Command, trained: Path, tmp_path: Path
) -> None:
    told = the_experiment("test", "101", "--out", str(trained), "--json")
    assert (told.returncode, set(json.loads(told.stdout)["models"])) == (
        0,
        {"tiny-cnn-three-bits", "tiny-gpt2-three-bits", "tiny-rnn-three-bits"},
    )
    page = tmp_path / "page.html"
    told = the_experiment("compare", "--out", str(trained), "--json", "--html", str(page))
    assert json.loads(told.stdout)[0]["states"] == {"seen": 6, "held_out": 2}
    assert not re.search(r"(src|href)=.http|url\(http|@import", page.read_text())  # no network


def test_a_page_overwrites_nothing_but_such_a_page(tmp_path: Path) -> None:
    page, notes = tmp_path / "page.html", tmp_path / "notes.html"
    for _ in range(2):
        refuse_other_files(page)
        write_comparison_page([], page)
    notes.write_text("<p>my own notes</p>")
    for mine in (notes, tmp_path):
        with pytest.raises(UsageError, match="already exists and is not a page of the-experiment"):
            refuse_other_files(mine)


def test_compare_refuses_a_file_before_it_asks_a_model(
    the_experiment: Command, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.html").write_text("my own notes")
    told = the_experiment("compare", "--out", str(trained), "--html", str(tmp_path / "notes.html"))
    assert told.returncode == 2
    assert "give another name" in told.stderr
    assert (tmp_path / "notes.html").read_text() == "my own notes"


@pytest.mark.parametrize("sequence", ["", "10", "1011", "abc", "1 1", "121", "-11"])
def test_a_wrong_sequence_is_told_with_an_example(
    the_experiment: Command, trained: Path, sequence: str
) -> None:
    told = the_experiment("test", "--out", str(trained), "--", sequence)
    assert told.returncode == 2
    assert "like '" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_sequence_of_no_world_is_told_with_an_example_of_each(
    trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    first = next(iter(sorted(out.glob("*/dataset.json"))))
    manifest = json.loads(first.read_text())
    relay = {"world": "relay", "world_text": find_world("relay").source, "held_out": []}
    first.write_text(json.dumps(manifest | relay))
    with pytest.raises(UsageError) as caught:
        answer("xx", trained_models(out))
    assert caught.value.what == (
        "'xx' is not a sequence of world relay; 'xx' is not a sequence of world three-bits"
    )
    assert caught.value.hint.count("like '") == 2


def test_no_model_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in (["test", "1,0,1,0,1"], ["compare"], ["testui"]):
        _, why = said(capsys, *verb, code=1)
        assert why == "error: no model in out/\n  → run `the-experiment train`\n"


def test_runs_that_do_not_tell_their_settings_are_no_seeds_of_each_other(
    trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    gone, torn, listed = sorted(out.glob("*/config.yaml"))
    gone.unlink()
    torn.write_text("model: [")
    listed.write_text("- 1")
    (comparison,) = compare(trained_models(out))
    assert [len(group.runs) for group in comparison.groups] == [1, 1, 1]


def test_runs_that_differ_in_their_seed_are_one_group(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = next(trained.glob("tiny-cnn-*"))
    for seed in (1, 2):
        copy = out / f"cnn-seed-{seed}"
        shutil.copytree(run, copy)
        for name in ("run.json", "config.yaml"):
            text = (copy / name).read_text()
            (copy / name).write_text(re.sub(r'(seed"?: )\d+', rf"\g<1>{seed}", text))
    shutil.copytree(out / "cnn-seed-2", out / "cnn-again")  # the same seed is no other draw
    (comparison,) = compare(trained_models(out))
    groups = {group.name: [run.name for run in group.runs] for group in comparison.groups}
    assert groups == {"cnn-again": ["cnn-again", "cnn-seed-1"], "cnn-seed-2": ["cnn-seed-2"]}
    shutil.rmtree(out / "cnn-again")
    (comparison,) = compare(trained_models(out))
    (group,) = comparison.groups
    assert (group.name, len(group.runs)) == ("cnn", 2)
    assert "2 seeds" in comparison.verdicts["cnn"]["rules"].because
    told = Console(width=200)
    with told.capture() as shown:
        told.print(comparison_view(comparison))
    assert "cnn, 2 seeds" in shown.get()


def test_a_model_called_like_a_baseline_is_told_beside_it(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(next(trained.glob("tiny-cnn-*")), tmp_path / "majority")
    (comparison,) = compare(trained_models(tmp_path))
    told = comparison.as_json()
    assert (list(told["models"]), "majority" in told["baselines"]) == (["majority"], True)


@pytest.mark.parametrize("pairs", [2, 6, 10])
def test_sign_flips_are_those_of_scipy(pairs: int) -> None:
    from scipy.stats import permutation_test

    differences = np.random.default_rng(pairs).normal(0.4, 1, pairs).round(1)
    test = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(differences, seed=0) == pytest.approx(test.pvalue)
