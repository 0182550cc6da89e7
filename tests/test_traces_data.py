"""Rows made of puzzles and of one's own traces: arms, tags, splits, leaks, and what is refused."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import Command
from test_inside_verbs import said
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json, read_jsonl
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.data.trace_folder import PuzzleRequest, generate_puzzles, traces_folder
from the_experiment.data.trace_rows import read_traces, side_of
from the_experiment.data.traces import ARMS, Preparation, filler_trace, prepared
from the_experiment.worlds.causal.graphs import variables
from the_experiment.worlds.causal.puzzle import Puzzle, solved
from the_experiment.worlds.causal.writing import read_answer

TOKEN = "<|im_start|>"
ALPHABET = "".join(map(chr, range(32, 127))) + "\n→←"
OWN = {"prompt": "What is first?\n", "completion": "<think>\nW → B.\n</think>\nW"}


def rows_of(folder: Path, arm: str, side: str = "train") -> list[dict[str, Any]]:
    return read_jsonl(folder / arm / f"{side}.jsonl")


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def puzzles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_puzzles(PuzzleRequest(240, seed=1), tmp_path_factory.mktemp("p") / "mine")


@pytest.fixture(scope="module")
def rows(puzzles: Path) -> Path:
    return prepared([puzzles], puzzles.with_name("rows"), Preparation(seed=2))


# -- puzzles ------------------------------------------------------------------------------------


def test_puzzles_are_the_same_bytes_from_the_same_seed_in_another_process(
    puzzles: Path, tmp_path: Path, the_experiment: Command
) -> None:
    words = ("traces", "generate", "mine", "--count", "240", "--seed", "1")
    done = the_experiment(*words, PYTHONHASHSEED="7")
    assert done.returncode == 0, done.stderr
    there = tmp_path / "out" / "traces" / "mine"
    for name in ("puzzles.jsonl", "manifest.json"):
        assert (there / name).read_bytes() == (puzzles / name).read_bytes()
    assert "240 puzzles" in done.stdout
    again = the_experiment(*words)
    assert again.returncode == 2
    assert "already exists" in again.stderr


def test_a_row_of_puzzles_can_be_read_and_solved(puzzles: Path) -> None:
    rows = read_jsonl(puzzles / "puzzles.jsonl")
    manifest = read_json(puzzles / "manifest.json")
    assert len(rows) == manifest["count"] == 240
    assert sum(manifest["counts"]["kind"].values()) == 240
    for row in rows:
        puzzle = Puzzle.model_validate(row)
        assert solved(puzzle) == puzzle.answer


# -- arms -----------------------------------------------------------------------------------------


def test_the_arms_have_the_same_prompts_and_answers_in_the_same_order(rows: Path) -> None:
    for side in ("train", "valid"):
        causal, form, answers = (rows_of(rows, arm, side) for arm in ARMS)
        for one, other, bare in zip(causal, form, answers, strict=True):
            assert one["prompt"] == other["prompt"] == bare["prompt"]
            for row in (one, other, bare):
                assert read_answer(row["completion"]) == row["answer"] == one["answer"]
            assert bare["completion"] == bare["answer"]


def test_the_format_arm_has_the_form_of_a_trace_and_the_same_words_in_every_row(
    rows: Path, puzzles: Path
) -> None:
    named = {
        name
        for row in read_jsonl(puzzles / "puzzles.jsonl")
        for name in variables([(cause, effect) for cause, effect in row["edges"]])
    }
    causal, form = rows_of(rows, "causal"), rows_of(rows, "format")
    tags = re.compile(r"</?\w+>")
    traces = {row["completion"].rpartition("</think>")[0] for row in form}
    (filler,) = traces  # the length of its own trace would tell of the derivation
    for one in causal:
        assert tags.findall(one["completion"]) == [*tags.findall(filler), "</think>"]
    assert not {*tags.sub(" ", filler).split()} & named
    assert not re.search(r"→|\b(?:yes|no|cause|given)\b", filler)
    lines = [line for line in filler.splitlines() if line.strip() and not tags.fullmatch(line)]
    assert len({*lines}) == len(lines)  # greedy decoding knows where it is in it
    words = sorted(len(row["completion"].split()) for row in causal)
    assert 0.9 < len(form[0]["completion"].split()) / words[len(words) // 2] < 1.1


def test_filler_of_one_long_line_can_be_followed_and_keeps_line_ends() -> None:
    filler = filler_trace("<think>\r\n" + "word " * 200 + "\r\n")
    assert re.findall(r"line (\d+)", filler) == [str(number) for number in range(1, 10)]
    assert (filler.count("\r\n"), filler.count("\n")) == (2, 2)
    assert 190 < len(filler.split()) < 210


# -- tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["", TOKEN, "<|other|>"])
def test_tags_are_rewritten_to_the_special_token_of_the_base(
    puzzles: Path, tmp_path: Path, told: str
) -> None:
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.add_special_tokens({"additional_special_tokens": [TOKEN, "<|other|>"]})
    how = Preparation(seed=2, special=True, token=told, tokenizer=tokenizer, arms=["causal"])
    folder, token = prepared([puzzles], tmp_path / "rows", how), told or TOKEN
    for row in rows_of(folder, "causal"):
        hooked = re.findall(r"^<.*$", row["completion"], re.MULTILINE)
        assert hooked == [f"{token}think", f"{token}causality"]
        assert "</" not in row["completion"]
        ids = tokenizer(row["completion"])["input_ids"]
        assert ids.count(tokenizer.convert_tokens_to_ids(token)) == 2
        for skip in (True, False):
            written = tokenizer.decode(ids, skip_special_tokens=skip)
            assert read_answer(written) == row["answer"]
    manifest = read_json(folder / "manifest.json")
    longest = max(
        len(tokenizer(row["prompt"] + row["completion"])["input_ids"])
        for side in ("train", "valid")
        for row in rows_of(folder, "causal", side)
    )
    assert (manifest["token"], manifest["longest"], manifest["unit"]) == (
        token,
        longest + 1,
        "tokens",
    )


@pytest.mark.parametrize(
    ("has", "told", "refused"),
    [
        (None, "", "--token"),
        ([], "", "im_start"),
        ([], TOKEN, "not one token"),
    ],
)
def test_a_special_token_that_there_is_not_is_refused(
    puzzles: Path, tmp_path: Path, has: list[str] | None, told: str, refused: str
) -> None:
    tokenizer = None if has is None else character_tokenizer(ALPHABET)
    how = Preparation(seed=2, special=True, token=told, tokenizer=tokenizer)
    with pytest.raises(UsageError, match=re.escape(refused)):
        prepared([puzzles], tmp_path / "rows", how)
    assert not (tmp_path / "rows").exists()


# -- splits and leaks -----------------------------------------------------------------------------


def test_no_graph_is_on_two_sides_and_no_row_is_lost_but_twins(rows: Path, puzzles: Path) -> None:
    learnt = {side: rows_of(rows, "causal", side) for side in ("train", "valid")}
    sides = {**learnt, "test": read_jsonl(rows / "test.jsonl")}
    where = defaultdict(set)
    for side, found in sides.items():
        for row in found:
            where[row["graph"]].add(side)
    assert all(len(one) == 1 for one in where.values())
    kept = sum(map(len, sides.values()))
    assert kept + read_json(rows / "manifest.json")["twins"] == 240
    lost = Counter(row["kind"] for row in read_jsonl(puzzles / "puzzles.jsonl"))
    lost.subtract(row["kind"] for found in sides.values() for row in found)
    assert {kind for kind, count in lost.items() if count} == {"root-cause"}
    assert {side: len(found) for side, found in sides.items()} == (
        read_json(rows / "manifest.json")["rows"]
    )
    drawn = {json.dumps(row) for row in read_jsonl(puzzles / "puzzles.jsonl")}
    assert {json.dumps(row) for row in sides["test"]} <= drawn


@settings(max_examples=20)
@given(st.integers(0, 100), st.floats(0, 0.5), st.floats(0, 0.5))
def test_sides_have_about_the_shares_asked_for(seed: int, valid: float, test: float) -> None:
    sides = [side_of(str(graph), seed, valid, test) for graph in range(200)]
    assert abs(sides.count("valid") / 200 - valid) < 0.12
    assert abs(sides.count("test") / 200 - test) < 0.12


def test_what_leaks_from_an_evaluation_set_is_named_and_nothing_written(
    puzzles: Path, tmp_path: Path
) -> None:
    learnt = rows_of(prepared([puzzles], tmp_path / "a", Preparation(seed=2)), "causal")
    other_words = write(
        tmp_path / "asked.jsonl",
        {"question": "Who?"},
        {"question": learnt[0]["prompt"].strip().upper().replace(" ", "  ")},
    )
    other_names = write(tmp_path / "graph.jsonl", {"prompt": "x", "graph": learnt[0]["graph"]})
    for evaluation, told in (
        (other_words, "repeats the question of line 2"),
        (other_names, "graph of"),
    ):
        how = Preparation(seed=2, against=[evaluation])
        with pytest.raises(ExperimentError, match=rf"puzzles.jsonl, line \d+ .*{told}"):
            prepared([puzzles], tmp_path / "b", how)
        assert not (tmp_path / "b").exists()
    held_out = Preparation(seed=2, against=[tmp_path / "a" / "test.jsonl"])
    assert prepared([puzzles], tmp_path / "b", held_out)


def test_rows_of_other_puzzles_share_no_graph_with_those_they_are_drawn_without(
    puzzles: Path, tmp_path: Path
) -> None:
    request = PuzzleRequest(30, seed=5, sizes=[7], kinds=["d-separation"], without=[str(puzzles)])
    others = generate_puzzles(request, tmp_path / "others")
    assert prepared([puzzles], tmp_path / "rows", Preparation(seed=2, against=[others]))


def test_no_root_cause_is_tested_whose_causes_were_asked_about_in_training(
    tmp_path: Path, the_experiment: Command
) -> None:
    """By graph alone 43 of 57 were."""
    request = PuzzleRequest(600, 42, ["root-cause"], sizes=[4, 5], naming=["letters", "words"])
    drawn = generate_puzzles(request, tmp_path / "out" / "traces" / "mine")
    shape_of = {row["question"]: row["component"] for row in read_jsonl(drawn / "puzzles.jsonl")}
    words = ("traces", "prepare", "mine", "--name", "rows", "--test", "0.2", "--seed", "42")
    done = the_experiment(*words)
    rows = tmp_path / "out" / "traces" / "rows"
    twins = read_json(rows / "manifest.json")["twins"]
    assert f"{twins} rows left out, as only one of graph and" in done.stdout
    learnt = [row for side in ("train", "valid") for row in rows_of(rows, "causal", side)]
    test = read_jsonl(rows / "test.jsonl")
    assert len(learnt) + len(test) + twins == 600
    assert len(test) > 10
    assert not {row["graph"] for row in learnt} & {row["graph"] for row in test}
    seen = {shape_of[row["prompt"].strip()] for row in learnt}
    assert not seen & {row["component"] for row in test}
    leaking = {"question": "x", "component": learnt[0]["component"]}
    how = Preparation(seed=42, test=0.2, against=[write(tmp_path / "leaking.jsonl", leaking)])
    with pytest.raises(ExperimentError, match="asks about the same causes as line 1"):
        prepared([drawn], tmp_path / "no", how)


# -- one's own rows, and bad ones -----------------------------------------------------------------


def test_rows_of_ones_own_are_kept_together_by_prompt(tmp_path: Path) -> None:
    own = [{**OWN, "prompt": f"{number % 40}?\n", "source": "mine"} for number in range(80)]
    file = write(tmp_path / "own.jsonl", *own)
    folder = prepared([file], tmp_path / "rows", Preparation(seed=0, valid=0.3, test=0))
    train, valid = (rows_of(folder, "answers", side) for side in ("train", "valid"))
    assert len(train) + len(valid) == 80
    assert not {row["prompt"] for row in train} & {row["prompt"] for row in valid}
    assert train[0]["completion"] == "W"
    assert not (folder / "test.jsonl").exists()


def test_rows_that_are_known_to_be_wrong_are_left_out_and_told(
    tmp_path: Path, the_experiment: Command
) -> None:
    own = [
        {**OWN, "prompt": f"{number}?\n", "right": [True, False, None][number % 3]}
        for number in range(30)
    ]
    write(tmp_path / "asked.jsonl", *own)
    words = ("traces", "prepare", "asked.jsonl", "--name", "rows", "--test", "0", "--valid", "0")
    assert "10 rows with a wrong answer left out" in the_experiment(*words).stdout
    prompts = {row["prompt"] for row in rows_of(tmp_path / "out/traces/rows", "causal", "train")}
    assert prompts == {row["prompt"] for row in own if row["right"] is not False}
    wrong = write(tmp_path / "wrong.jsonl", {**OWN, "right": False})
    with pytest.raises(ExperimentError, match="every row is known to be wrong"):
        prepared([wrong], tmp_path / "none", Preparation(seed=0, valid=0, test=0))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"prompt": "a", ', "line 2 is not valid JSON"),
        ("[1]", "line 2 is not a JSON object"),
        ('{"prompt": "a", "text": "b"}', "line 2 has no string 'completion'"),
        ('{"prompt": 3, "completion": "b"}', "line 2 has no string 'prompt'"),
        ('{"prompt": "a", "completion": " "}', "line 2 has an empty completion"),
        ('{"prompt": "", "completion": "a"}', "line 2 has an empty prompt"),
        ('{"prompt": "a", "completion": "W"}', "line 2 has no <think>"),
        ('{"prompt": "a", "completion": "<think>b</think> "}', "line 2 has no <think>"),
        ('{"question": "a", "answer": "b"}', "line 2 is not a puzzle: think"),
        (json.dumps({**OWN, "prompt": "x" * 100}), "line 2 has 1.. characters, more than 99"),
    ],
)
def test_bad_rows_are_refused_with_their_line(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(f"{json.dumps(OWN)}\n{line}\n", encoding="utf-8")
    how = Preparation(seed=0, valid=0, test=0, longest=99)
    with pytest.raises(ExperimentError, match=told):
        prepared([file], tmp_path / "rows", how)
    assert not (tmp_path / "rows").exists()


def test_a_file_without_rows_or_too_few_graphs_to_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="no rows"):
        read_traces(write(tmp_path / "empty.jsonl"))
    with pytest.raises(UsageError, match="no file"):
        read_traces(tmp_path / "missing.jsonl")
    one = write(tmp_path / "one.jsonl", OWN)
    with pytest.raises(ExperimentError, match="leave none for"):
        prepared([one], tmp_path / "rows", Preparation(seed=0))


@pytest.mark.parametrize("name", ["../up", "a/b", ""])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't be called"):
        traces_folder(name, tmp_path)


# -- the command ----------------------------------------------------------------------------------


def test_prepare_counts_in_tokens_of_the_base_and_refuses_what_it_has_no_room_for(
    puzzles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import GPT2Config

    base, out = tmp_path / "base", tmp_path / "out"
    tokenizer = character_tokenizer(ALPHABET)
    tokenizer.add_special_tokens({"additional_special_tokens": [TOKEN]})
    tokenizer.save_pretrained(base)
    GPT2Config(n_positions=700, vocab_size=len(tokenizer)).save_pretrained(base)
    rows = ("traces", "prepare", str(puzzles), "--name", "rows", "--out", str(out))
    words = (*rows, "--base", str(base))
    assert re.search(r"line \d+ has \d+ tokens, more than 700", said(capsys, *words, code=1)[1])
    arms = ("--arm", "answers", "--arm", "causal")
    told, _ = said(capsys, *words, *arms, "--tags", "special", "--longest", "5000")
    assert f"{TOKEN}think" in told
    assert sorted(path.name for path in (out / "traces" / "rows").iterdir()) == [
        *("answers", "causal", "manifest.json", "test.jsonl")
    ]
