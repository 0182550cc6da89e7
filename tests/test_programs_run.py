"""Experiments on programs: drawn once for all models, asked cell by cell, read, counted, drawn."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from looked_into import random_model
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.cli.app import app
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.experiments.programs.analysis import errors_of
from the_experiment.experiments.programs.cells import run_programs
from the_experiment.experiments.programs.drawing import programs_of
from the_experiment.experiments.programs.results import (
    Sample,
    kind_of_error,
    rows_of,
    wrong_answers,
)
from the_experiment.programs import ExperimentRunner, generators, prompts, quick_experiment
from the_experiment.programs.parsers import Parsed
from the_experiment.report.outcome import outcome_view
from the_experiment.worlds.programs.chain import COMMONEST, FIRST
from the_experiment.worlds.programs.interpreter import answer_of

TEMPLATE = "{% for m in messages %}user: {{ m['content'] }}\n{% endfor %}:"
binding: Any = generators.make_variable_binding_program


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders of three random models that know all characters; two have a chat template."""
    folders = []
    for name in ("gpt2", "llama", "qwen3"):
        folder = tmp_path_factory.mktemp("models") / name
        tokenizer = character_tokenizer(string.printable)
        tokenizer.chat_template = None if name == "gpt2" else TEMPLATE
        random_model(name, len(tokenizer)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        folders.append(str(folder))
    return folders


def small(models: Sequence[str], **changed: Any) -> quick_experiment:
    """An experiment of two lengths and two numbers of hops."""
    settings = {"num_seqs": 3, "seq_lens": [3, 4], "num_hops": [1, 2], "max_new_tokens": 2}
    return quick_experiment("small", "{code}", binding, models, **{**settings, **changed})


def cell_times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("programs/small/cells/*.json")}


def test_the_first_listing(
    models: list[str], tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = quick_experiment(
        name="range_tracking",
        prompt_template=prompts.RANGE_TRACKING,
        program_generator=generators.make_range_program,
        models=models[1:],
        num_seqs=4,
        seq_lens=[2, 3, 4],
    )
    runner = ExperimentRunner()
    result = runner.run(config)
    runner.plot("range_tracking")
    runner.analyze_errors("range_tracking")
    runner.analyze_errors("range_tracking", show_programs=True, min_seq_len=3, max_seq_len=3)
    said = capsys.readouterr().out
    assert "wrong answers" in said
    assert "wrote:" in said
    folder = tmp_path / "out" / "programs" / "range_tracking"
    assert (folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    samples = json.loads((folder / "samples.json").read_text())
    assert len(samples) == len(result.samples) == 2 * 3 * 4
    assert samples[0]["prompt"] == prompts.RANGE_TRACKING.replace("{code}", samples[0]["program"])
    rows = json.loads((folder / "results.json").read_text())["rows"]
    assert {(Path(row["model"]).name, row["seq_len"]) for row in rows} == {
        (model, length) for model in ("llama", "qwen3") for length in (2, 3, 4)
    }
    assert all(row["right"].keys() == {"k", "n", "low", "high"} for row in rows)


def test_models_are_kept_until_they_are_let_go(models: list[str], tmp_path: Path) -> None:
    runner = ExperimentRunner(tmp_path)
    runner.unload_all_models()  # those of other tests
    runner.preload_models(models)
    assert runner.list_loaded_models() == sorted(models)
    runner.unload_model(models[0])
    assert runner.list_loaded_models() == sorted(models[1:])
    runner.run(small(models[1:2], seq_lens=[3]), no_cache=True)
    assert runner.list_loaded_models() == models[2:]
    runner.unload_all_models()
    assert runner.list_loaded_models() == []


def test_a_model_that_was_run_by_its_name_is_let_go_by_it(
    models: list[str], tmp_path: Path
) -> None:
    for name, model in zip(("one", "two"), models, strict=False):
        shutil.copytree(model, tmp_path / name)
    runner = ExperimentRunner(tmp_path)
    runner.unload_all_models()
    runner.run(small(["one", "two"], seq_lens=[3]), no_cache=True)
    assert runner.list_loaded_models() == []
    runner.run(small(["one", "two"], seq_lens=[4]))
    assert len(runner.list_loaded_models()) == 2
    runner.unload_model("one")
    runner.unload_model("two")
    assert runner.list_loaded_models() == []


def test_a_generator_and_a_prompt_of_ones_own(models: list[str], tmp_path: Path) -> None:
    def my_generator(seq_len: int, rng: np.random.RandomState) -> tuple[str, Any, dict[str, Any]]:
        step = rng.randint(1, 9)
        program = f"x = 0\nfor i in range({seq_len}):\n    x += {step}"
        return program, np.int64(seq_len * step), {"increment": step}

    my_prompt = "Trace this code step by step:\n{code}\nFinal answer: "
    config = quick_experiment("my_test", my_prompt, my_generator)
    with pytest.raises(UsageError, match="my_test names no model"):
        ExperimentRunner(tmp_path).run(config)
    config = quick_experiment(
        "my_test", my_prompt, my_generator, models[1:2], parser=lambda _: Parsed(6)
    )
    samples = ExperimentRunner(tmp_path).run(config).samples
    assert {one.right for one in samples} == {True, False}
    assert all(one.right == (one.expected == 6) for one in samples)
    assert len({one.program for one in samples}) == len(samples) <= 5 * 8


def test_programs_are_the_same_for_every_model_and_others_for_another_seed(
    models: list[str], tmp_path: Path
) -> None:
    samples = run_programs(small(models), tmp_path).samples
    by_model = [[one.program for one in samples if one.model == model] for model in models]
    assert by_model[0] == by_model[1] == by_model[2]
    other = [one.text for group in programs_of(small([], seed=7)).values() for one in group]
    assert by_model[0] != other
    assert all(one.metadata["num_hops"] == one.num_hops for one in samples)


def killed_after_two_cells(models: list[str], out: Path) -> None:
    told = []

    def progress(more: int) -> None:
        told.append(more)
        if len(told) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    run_programs(small(models), out, progress=progress)


def test_a_killed_run_goes_on_with_what_is_missing(models: list[str], tmp_path: Path) -> None:
    killed = multiprocessing.get_context("fork").Process(
        target=killed_after_two_cells, args=(models[:1], tmp_path)
    )
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    before = cell_times(tmp_path)
    assert len(before) == 2
    samples = run_programs(small(models[:1]), tmp_path).samples
    after = cell_times(tmp_path)
    assert len(after) == 4
    assert before.items() < after.items()
    assert samples == run_programs(small(models[:1]), tmp_path / "new").samples


def test_only_what_changed_is_asked_again(models: list[str], tmp_path: Path) -> None:
    kept = tmp_path
    run_programs(small(models[:1]), kept)
    first = cell_times(tmp_path)
    run_programs(small(models[:1], seq_lens=[3, 5]), kept)
    second = cell_times(tmp_path)
    assert len(second) == len(first) + 2
    run_programs(small(models[:1], max_new_tokens=3), kept)
    third = cell_times(tmp_path)
    assert len(third) == len(second) + 4
    assert first.items() < second.items() < third.items()
    torn = next(tmp_path.glob("programs/small/cells/*-length-5-*"))
    torn.write_text(torn.read_text()[:50])
    run_programs(small(models[:1], seq_lens=[3, 5]), kept)
    assert len(json.loads(torn.read_text())["result"]) == 3


def test_other_weights_in_the_same_folder_are_asked_anew(tmp_path: Path) -> None:
    tokenizer = character_tokenizer(string.printable)
    folder, kept = tmp_path / "model", tmp_path
    found = []
    for seed in (0, 1):
        random_model("gpt2", len(tokenizer), seed).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        found.append([one.response for one in run_programs(small([str(folder)]), kept).samples])
    assert found[0] != found[1]


def test_programs_that_a_model_can_not_read_are_not_asked(tmp_path: Path) -> None:
    tokenizer = character_tokenizer("ab=#:0123456789\n")
    random_model("gpt2", len(tokenizer)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    config = small([str(tmp_path / "model")], seq_lens=[1, 3], num_hops=[0])
    for one in run_programs(config, tmp_path).samples:
        lost = sorted({*one.program} - {*"ab=#:0123456789\n"})
        assert (one.response is None) == bool(lost)
        assert one.reason.startswith("not known to it: ") == bool(lost)
        assert all(repr(character) in one.reason for character in lost)
    assert lost


def test_a_program_without_room_fails_alone(models: list[str], tmp_path: Path) -> None:
    config = small(models[:1], seq_lens=[4, 16], num_hops=[1], max_new_tokens=4)  # 64 positions
    samples = run_programs(config, tmp_path).samples
    assert [one.response is None for one in samples] == [False] * 3 + [True] * 3
    assert samples[-1].reason == "too long: 67 tokens and 4 new ones exceed the context length, 64"
    short, long = rows_of(samples)
    assert (short.right.n, short.not_asked) == (3, 0)
    assert (long.right.n, long.not_asked) == (0, 3)
    assert {one.seq_len for one in wrong_answers(samples)} <= {4}
    console = Console(width=100)
    with console.capture() as said:
        console.print(outcome_view(errors_of(samples)))
    assert f"{len(wrong_answers(samples))}/3 [" in said.get()


def test_a_model_that_fails_leaves_the_others_their_results(
    models: list[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    outcome = run_programs(small([str(broken), models[0]]), tmp_path)
    assert outcome.failed.keys() == {str(broken)}
    assert {one.model for one in outcome.samples} == {models[0]}
    with pytest.raises(ExperimentError, match="can't be used"):
        run_programs(small([str(broken)]), tmp_path)


def test_a_missing_model_is_told_before_anything_is_asked(
    models: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ExperimentError, match="no such folder"):
        run_programs(small([models[0], str(tmp_path / "none")]), tmp_path)
    assert not cell_times(tmp_path)


def test_impossible_groups_are_left_out() -> None:
    groups = programs_of(small([], seq_lens=[2, 3], num_hops=[1, 2]))
    assert list(groups) == [(2, 1), (3, 1), (3, 2)]
    with pytest.raises(UsageError, match="2 lines can't have a chain of 5 hops"):
        programs_of(small([], seq_lens=[2], num_hops=[5]))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "a/b"}, "can't be called 'a/b'"),
        ({"prompt_template": "no place"}, "no place for the program"),
        ({"seq_lens": []}, "invalid lengths"),
        ({"seq_lens": [3, 3]}, "invalid lengths"),
        ({"num_hops": [-1]}, "invalid numbers of hops"),
        ({"num_seqs": 0}, "at least one program"),
        ({"program_generator": lambda _length, _rng: None, "num_hops": [1]}, "no hops to choose"),
    ],
)
def test_a_wrong_configuration_is_told(changed: dict[str, Any], told: str) -> None:
    right = {"name": "a", "prompt_template": "{code}", "program_generator": binding}
    with pytest.raises(UsageError, match=told):
        quick_experiment(**{**right, **changed})


@pytest.mark.parametrize("given", [None, "x = 1", ("x = 1", "1", {}), ("x = 1", 1)])
def test_what_a_generator_must_not_give(given: Any) -> None:
    config = quick_experiment("a", "{code}", lambda _length, _rng: given)
    with pytest.raises(UsageError, match="a generator gives a program"):
        programs_of(config)


def made_up(program: str, expected: int | bool, value: int | bool | None) -> Sample:
    right = type(value) is type(expected) and value == expected
    return Sample("m", 3, None, program, program, "", value, "", expected, right)


def test_baselines_and_kinds_of_errors() -> None:
    program = "x=3\nz=5\ny=x\n#y:"
    samples = [made_up(program, 3, value) for value in (3, 5, 2, 8, None)]
    other = made_up("x=1\nz=4\n#z:", 4, 1)
    row = rows_of([*samples, other])[0]
    assert (row.right.k, row.right.n, row.unparsed.k) == (1, 6, 1)
    assert {name: rate.k for name, rate in row.baselines.items()} == {COMMONEST: 5, FIRST: 5}
    assert [kind_of_error(one) for one in [*samples[1:], other]] == [
        "another variable's value",
        "off by one",
        "another value",
        "no value",
        "the first line's constant",
    ]
    without_query = made_up("x = 3\nx += 1", 4, 4)
    assert rows_of([without_query])[0].baselines.keys() == {COMMONEST}


def test_the_command(models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["programs", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "make_variable_binding_program" in told("list")
    flags = ["-m", models[0], "--prompt", "{code}", "--hops", "1-2", "--num-seqs", "2"]
    flags += ["--max-new-tokens", "2"]
    generator, lengths = ["--generator", "make_variable_binding_program"], ["--lengths", "3-4"]
    table = told("run", "small", *flags, *generator, *lengths)
    assert "gpt2, 2 hops" in table
    assert "first line's constant, 1 hop" in table
    rows = json.loads(told("run", "small", *flags, *generator, *lengths, "--json"))["rows"]
    assert [(row["seq_len"], row["num_hops"]) for row in rows] == [(3, 1), (3, 2), (4, 1), (4, 2)]
    assert told("plot", "small").strip().endswith("accuracy.png")
    wrong = json.loads(told("errors", "small", "--min-length", "4", "--json"))
    assert {one["seq_len"] for one in wrong} == {4}
    assert "4/4" in told("errors", "small", "--max-length", "3", "--programs")
    with pytest.raises(UsageError, match="no program has the requested"):
        told("errors", "small", "--min-length", "9")
    with pytest.raises(ExperimentError, match="programs run none` first"):
        told("errors", "none")
    with pytest.raises(UsageError, match="'a-b' is not a list"):
        told("run", "small", *flags, *generator, "--lengths", "a-b")
    with pytest.raises(UsageError, match="'6-2' is not a list"):
        told("run", "small", *flags, *generator, "--lengths", "6-2")
    with pytest.raises(UsageError, match="no program generator called 'nothing'"):
        told("run", "small", *flags, *lengths, "--generator", "nothing")


@pytest.mark.parametrize("hops", [[], [1, 2]])
def test_solved_programs_stand_before_each_and_are_not_asked(
    models: list[str], tmp_path: Path, hops: list[int]
) -> None:
    generator = binding if hops else generators.make_range_program
    settings: dict[str, Any] = {"seq_lens": [3, 4], "num_hops": hops, "max_new_tokens": 2}
    config = quick_experiment("small", "{code} =", generator, models[:1], shots=2, **settings)
    samples = run_programs(config, tmp_path).samples
    shown: dict[tuple[int, int | None], str] = {}
    for sample in samples:
        group = (sample.seq_len, sample.num_hops)
        asked = {one.program for one in samples if (one.seq_len, one.num_hops) == group}
        *solved, last = sample.prompt.split("\n\n")
        assert (len(solved), last) == (2, f"{sample.program} =")
        assert shown.setdefault(group, sample.prompt.removesuffix(last)) + last == sample.prompt
        for one in solved:
            program, _, answer = one.rpartition(" = ")
            assert program not in asked
            assert answer_of(program) == int(answer)
    assert len({*shown.values()}) == len(shown)
