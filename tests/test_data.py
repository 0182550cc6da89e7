"""Dataset folders: the same bytes for the same seed, no held-out rows, whole or not there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import Command
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import sha256
from the_experiment.data.cases import distinct_rows
from the_experiment.data.folder import HELD_OUT, MANIFEST, SPLITS, DatasetFolder
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.reading import dataset_info, read_dataset
from the_experiment.data.split import Split
from the_experiment.worlds import World, find_world
from the_experiment.worlds.files import world_from_text

SMALL = Sizes(train=300, valid=30, test=30)
CAUSAL = find_world("causal")
ALL_FILES = {MANIFEST, *(f"{split}.jsonl" for split in (*SPLITS, HELD_OUT))}


def small(out: Path, hold_out: HoldOut | None = None, world: str = "causal") -> DatasetFolder:
    return generate(find_world(world), hold_out or HoldOut(), SMALL, 42, out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- the same seed, the same bytes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "hold_out", "sizes", "seed", "train"),
    [
        (
            *("causal", HoldOut(sequences=("1,0,1,0,1",)), Sizes(), 42),
            "390ce7099c9327639ea2d86c19eb65fbcb59285fd77e1cf8799a5208b815bdc8",
        ),
        (
            *("modular", HoldOut(fraction=0.25), Sizes(train=1000), 7),
            "b071521aad2fc7ab35f042db0138a72bfac24f9257f36245bb9096ca6fbddf5a",
        ),
        (
            *("relay", HoldOut(fraction=0.25), Sizes(train=1000), 7),
            "644404221f96c85cba0783b77748a6ac2dccdd75588178298b929cb77309147c",
        ),
    ],
)
def test_the_same_seed_gives_the_same_bytes_everywhere(
    tmp_path: Path, world: str, hold_out: HoldOut, sizes: Sizes, seed: int, train: str
) -> None:
    manifest = generate(find_world(world), hold_out, sizes, seed, tmp_path / "data").manifest
    assert manifest.sha256["train.jsonl"] == train


def test_the_manifest_tells_what_is_in_the_folder(tmp_path: Path) -> None:
    hold_out = HoldOut(sequences=("1,0,1,0,1",), where="A AND B AND C")
    folder = small(tmp_path / "data", hold_out)
    manifest = folder.manifest
    assert set(contents(folder.path)) == ALL_FILES
    assert manifest.world_text == CAUSAL.source
    assert manifest.hold_out == hold_out
    assert manifest.held_out == ["1,0,1,0,1", "1,1,1,0,0", "1,1,1,0,1", "1,1,1,1,0", "1,1,1,1,1"]
    assert manifest.rows == {"train": 300, "valid": 30, "test": 30, "heldout": 5}
    assert {name: len(folder.rows(name)) for name in manifest.rows} == manifest.rows
    assert manifest.sha256 == {
        name: sha256(folder.path / name) for name in sorted(ALL_FILES - {MANIFEST})
    }
    assert (manifest.seed, manifest.states) == (42, 32)
    assert set(manifest.versions) == {"the-experiment", "numpy", "python"}


def test_another_seed_gives_other_rows_and_splits_differ(tmp_path: Path) -> None:
    one = small(tmp_path / "one")
    other = generate(CAUSAL, HoldOut(), SMALL, 43, tmp_path / "other")
    assert one.rows("train") != other.rows("train")
    assert one.rows("valid") != one.rows("test")
    assert one.rows("valid") != one.rows("train")[:30]


def test_rows_are_as_they_were_described(tmp_path: Path) -> None:
    small(tmp_path / "data", HoldOut(sequences=("0,1,1,1,0",)))
    line = (tmp_path / "data/heldout.jsonl").read_bytes()
    assert line == b'{"prompt": "0,1,1,1,0", "completion": "\\n1,0,0,0\\n3 - 1\\n"}\n'


# -- hold-outs -----------------------------------------------------------------------------------

HOLD_OUTS = st.builds(
    HoldOut,
    sequences=st.lists(st.integers(0, 31), max_size=8).map(
        lambda numbers: tuple(CAUSAL.prompts(CAUSAL.states_at(np.array(numbers, dtype=np.int64))))
    ),
    fraction=st.sampled_from((0.0, 0.01, 0.1, 0.5, 0.9)),
    where=st.sampled_from(("", "A AND C", "newD", "A + B + C > 2", "newA XOR newB", "0")),
)


@given(HOLD_OUTS, st.integers(0, 2**40))
@settings(max_examples=30)
def test_held_out_states_are_in_no_other_file(hold_out: HoldOut, seed: int) -> None:
    with tempfile.TemporaryDirectory() as parent:
        try:
            folder = generate(CAUSAL, hold_out, SMALL, seed, Path(parent) / "data")
        except UsageError:
            return  # all of them would be held out; tested below
        held_out = [row["prompt"] for row in folder.rows("heldout")]
        assert held_out == sorted(set(held_out)) == folder.manifest.held_out
        assert set(hold_out.sequences) <= set(held_out)
        rows = [row for split in (*SPLITS, HELD_OUT) for row in folder.rows(split)]
        assert all(CAUSAL.answer(row["prompt"]) == row["completion"] for row in rows)
        shown = {row["prompt"] for split in SPLITS for row in folder.rows(split)}
        assert not shown & set(held_out)
        split = Split(folder.manifest)
        assert CAUSAL.prompts(split.held_out) == held_out
        trained_on = {row["prompt"] for row in folder.rows("train")}
        assert CAUSAL.prompts(split.seen) == sorted(trained_on)
        assert all(split.holds_out(prompt) for prompt in held_out)
        assert not any(split.holds_out(prompt) for prompt in shown)


def test_a_split_needs_the_manifest_alone_whatever_became_of_the_world(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(CAUSAL.source.replace("name: causal", "name: mine"))
    folder = generate(find_world(str(file)), HoldOut(where="A"), SMALL, 1, tmp_path / "data")
    file.unlink()
    assert len(Split(folder.manifest).held_out) == 16
    assert Split(folder.manifest).world.answer("0,1,1,1,0") == "\n1,0,0,0\n3 - 1\n"


def test_a_manifest_that_does_not_say_how_is_of_a_hold_out_by_text(tmp_path: Path) -> None:
    folder = small(tmp_path / "data", HoldOut(sequences=("1,0,1,0,1",)))
    assert folder.manifest.hold_out.by == "meaning"
    manifest = json.loads((folder.path / MANIFEST).read_text())
    del manifest["hold_out"]["by"]
    (folder.path / MANIFEST).write_text(json.dumps(manifest))
    old = DatasetFolder(folder.path).manifest
    assert old.hold_out == HoldOut(sequences=("1,0,1,0,1",), by="text")
    assert old.held_out == folder.manifest.held_out


@pytest.mark.parametrize(
    ("sequences", "fraction", "where", "says"),
    [
        ("1,0,1,0", 0, None, "'1,0,1,0' is not a sequence of world causal"),
        ("1,0,1,0,1;2,0,0,0,0", 0, None, r"'2,0,0,0,0' is not a sequence .*A is 2, not 0 or 1"),
        ("abc", 0, None, "'abc' is not a sequence"),
        ("1,0,1,0,1; 0,0,0,0,0", 0, None, "' 0,0,0,0,0' is not a sequence"),
        (";", 0, None, "';' names no sequence"),
        ("", 0, None, "'' names no sequence"),
        (" ", 0.5, None, "' ' names no sequence"),
        (None, 0, "", "'' is not a condition"),
        (None, 0, " ", "' ' is not a condition"),
        ("", 1.0, None, r"a share of 1\.0 can't be held out"),
        (None, -0.1, None, "can't be held out"),
        (None, float("nan"), None, "a share of nan can't be held out"),
        (None, 0, "1", "all 32 states of world causal would be held out"),
        (None, 0, "A OR NOT A", "all 32 states"),
        (None, 0, "newE", "unknown name 'newE'"),
    ],
)
def test_hold_outs_that_can_not_be(
    sequences: str | None, fraction: float, where: str | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        HoldOut.parse(sequences, fraction, where).resolve(CAUSAL, seed=0)


@pytest.mark.parametrize("option", ["-o", "--hold-out-where"])
def test_a_shell_variable_that_was_never_set_is_no_hold_out(
    the_experiment: Command, tmp_path: Path, option: str
) -> None:
    told = the_experiment("generate", option, "")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("error: '' ")
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(
    ("hold_out", "told"),
    [
        (HoldOut(), "nothing"),
        (HoldOut(sequences=("1,0,1,0,1",)), "1,0,1,0,1"),
        (HoldOut(fraction=0.07), "a random 7% of all states"),
        (HoldOut(fraction=0.125), "a random 12.5% of all states"),
        (HoldOut(fraction=0.001, where="A"), "a random 0.1% of all states; every state where A"),
        (HoldOut(fraction=0.07, by="text"), "a random 7% of all states; by text"),
        (HoldOut(by="text"), "nothing"),
    ],
)
def test_hold_outs_tell_what_they_are(hold_out: HoldOut, told: str) -> None:
    assert str(hold_out) == told


def test_almost_everything_held_out_of_a_large_world_is_no_endless_draw(tmp_path: Path) -> None:
    names = [f"A{number}" for number in range(17)]
    world = world_from_text(
        f"name: wide\ninputs: {{{', '.join(f'{name}: bool' for name in names)}}}\n"
        f"rules: {{r: A0}}\ncompletion: '-{{r}}'\n"
        f"prompt: '{''.join(f'{{{name}}}' for name in names)}'",
        "wide.yaml",
    )
    hold_out = HoldOut(where=f"{' + '.join(names)} < 17", by="text")
    sizes = Sizes(train=500, valid=1, test=1)
    draws = generate(world, hold_out, sizes, 0, tmp_path / "data").rows("train")
    assert {row["prompt"] for row in draws} == {"1" * 17}


# -- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["causal", "modular", "relay"])
def test_hugging_face_datasets_reads_the_files(
    tmp_path: Path, world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    folder = small(tmp_path / "data", HoldOut(fraction=0.2), world)
    names = (*SPLITS, HELD_OUT)
    files = {name: str(folder.path / f"{name}.jsonl") for name in names}
    loaded = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    for name in names:
        assert loaded[name].column_names == ["prompt", "completion"]
        assert list(loaded[name]) == folder.rows(name)


def test_pairs_are_the_rows_in_order(tmp_path: Path) -> None:
    folder = small(tmp_path / "data")
    pairs = [(row["prompt"], row["completion"]) for row in folder.rows("train")]
    read = read_dataset(str(folder.path))
    assert read["train"] == pairs
    info = dataset_info(str(folder.path), read)
    assert (info.world_name, info.alphabet, info.longest) == ("causal", CAUSAL.alphabet, 24)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"prompt": "0,1,1,1,0", "compl\n', "line 7 is not valid JSON"),
        (b"\n", "line 7 is not valid JSON"),
        (b"\xff\xfe\x00\n", "line 7 is not UTF-8"),
        (b"[" * 100_000 + b"\n", "line 7 is not valid JSON"),
        (b"[1]\n", "line 7 is not a JSON object"),
        (b'{"prompt": "0,1,1,1,0"}\n', "line 7 has no string 'completion'"),
        (b'{"prompt": 1, "completion": ""}\n', "line 7 has no string 'prompt'"),
    ],
)
def test_a_torn_line_is_named_by_its_number(tmp_path: Path, line: bytes, says: str) -> None:
    folder = small(tmp_path / "data")
    path = folder.path / "train.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:6], line, *lines[7:]]))
    for read in (lambda: folder.rows("train"), lambda: read_dataset(str(folder.path))):
        with pytest.raises(ExperimentError, match=f"train.jsonl, {says}"):
            read()


def test_texts_that_look_like_dates_stay_texts(tmp_path: Path) -> None:
    months = world_from_text(
        "{name: m, inputs: {M: 1..9}, rules: {n: M}, prompt: '2024-0{M}-01', completion: '{n}'}", ""
    )
    folder = generate(months, HoldOut(), Sizes(train=20, valid=1, test=1), 0, tmp_path / "data")
    prompts = {prompt for prompt, _ in read_dataset(str(folder.path))["train"]}
    assert prompts <= {f"2024-0{month}-01" for month in range(1, 10)}


def test_rows_changed_by_hand_are_refused(tmp_path: Path) -> None:
    folder = small(tmp_path / "data", HoldOut(sequences=("1,0,1,0,1",)))
    with (folder.path / "train.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": "1,0,1,0,1", "completion": "\n0,1,0,1\n3 - 2\n"}) + "\n")
    with pytest.raises(ExperimentError, match="has changed since"):
        read_dataset(str(folder.path))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"prompt": 1, "completion": "a"}', "line 1 has no string 'prompt'"),
        ('{"prompt": "a", "completion": null}', "line 1 has no string 'completion'"),
        ('{"prompt": "a", "text": "b"}', "has no string .completion."),
        ('{"question": "a", "answer": null}', "line 1 has no string 'completion'"),
        ('{"prompt": "a", "compl', "line 1 is not valid JSON"),
        ("", "no training rows"),
    ],
)
def test_foreign_rows_that_can_not_be_used_are_told(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "train.jsonl").write_text(line)
    with pytest.raises(ExperimentError, match=says):
        read_dataset(str(tmp_path))


OWN = [{"prompt": "2024-03-01", "completion": "007"}, {"prompt": "010", "completion": "NA"}]
OWN_PAIRS = [("2024-03-01", "007"), ("010", "NA")]  # what looks like a date or a number is a text


def _written(folder: Path, name: str) -> str:
    """A data set of one's own, as `datasets` writes it; a JSON list as anybody does."""
    import datasets

    rows = datasets.Dataset.from_list(OWN)
    place = str(folder / name)
    writers: dict[str, Callable[[], object]] = {
        "mine.jsonl": lambda: rows.to_json(place),
        "mine.json": lambda: (folder / name).write_text(json.dumps(OWN)),
        "mine.csv": lambda: rows.to_csv(place),
        "mine.parquet": lambda: rows.to_parquet(place),
        "saved": lambda: rows.save_to_disk(place),
        "saved splits": lambda: datasets.DatasetDict(
            train=rows, validation=rows, extra=rows
        ).save_to_disk(place),
        "folder": lambda: [
            rows.to_csv(f"{place}/train.csv"),
            rows.to_json(f"{place}/validation.jsonl"),
        ],
    }
    if name == "folder":
        (folder / name).mkdir()
    writers[name]()
    return place


@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("mine.jsonl", ["train"]),
        ("mine.json", ["train"]),
        ("mine.csv", ["train"]),
        ("mine.parquet", ["train"]),
        ("saved", ["train"]),
        ("saved splits", ["train", "valid"]),
        ("folder", ["train", "valid"]),
    ],
)
def test_any_local_data_set_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, splits: list[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    dataset = _written(tmp_path, name)
    pairs = read_dataset(dataset)
    assert pairs == dict.fromkeys(splits, OWN_PAIRS)
    assert dataset_info(dataset, pairs).world_name == name.partition(".")[0]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "mine.json",
            b'{"prompt": "a"}',
            "mine.json is not a list of JSON objects: write a list, or",
        ),
        ("mine.json", b"[1]", "mine.json is not a list of JSON objects"),
        ("mine.json", b"[", "mine.json is not valid JSON"),
        ("mine.csv", b"prompt,text\na,b\n", "mine.csv, line 2 has no string 'completion'"),
        ("mine.csv", b"prompt,completion\na\n", "mine.csv, line 2 has 1 column, and the header 2"),
        ("mine.csv", b"prompt,completion\n\xff,b\n", "mine.csv can't be read as CSV .* UTF-8"),
        ("mine.parquet", b"PAR1", "mine.parquet can't be read as Parquet"),
        ("mine.txt", b"a b", "mine.txt is not a file of rows: give one of .jsonl, "),
    ],
)
def test_a_file_that_is_no_data_set_is_told(
    tmp_path: Path, name: str, text: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(ExperimentError, match=says):
        read_dataset(str(tmp_path / name))


def test_questions_are_completed_by_their_answers(tmp_path: Path) -> None:
    rows = [("Is a cat a cat?", True), ("Is 2 even?", False), ("What is 0 + 1?", 1), ("Why?", "So")]
    lines = [json.dumps({"question": text, "answer": answer, "kind": "a"}) for text, answer in rows]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines) + "\n")
    asked = read_dataset(str(tmp_path / "mine.jsonl"))["train"]
    completions = [" yes", " no", " 1", " So"]
    assert asked == [(text, end) for (text, _), end in zip(rows, completions, strict=True)]


def test_a_misspelt_file_is_not_asked_for_on_the_network() -> None:
    with pytest.raises(ExperimentError, match=r"no dataset in own/typo\.jsonl: run"):
        read_dataset("own/typo.jsonl")


def test_a_misspelt_folder_is_not_asked_for_on_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    with pytest.raises(ExperimentError, match="no dataset in data/typo"):
        read_dataset("data/typo")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not valid JSON"),
        ('{"world": "cau', "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "should be keys with values"),
        ("{}", "world: this key is missing"),
    ],
)
def test_a_wrong_manifest_is_told_by_its_key(tmp_path: Path, text: str, says: str) -> None:
    folder = small(tmp_path / "data")
    (folder.path / MANIFEST).write_text(text)
    with pytest.raises(ExperimentError, match=says):
        DatasetFolder(folder.path)


@pytest.mark.parametrize("rows", [{}, {"train": 0}, {"valid": 9}])
def test_a_manifest_without_rows_to_train_on_is_refused(
    tmp_path: Path, rows: dict[str, int]
) -> None:
    manifest = small(tmp_path / "data").manifest.model_dump()
    (tmp_path / "data" / MANIFEST).write_text(json.dumps(manifest | {"rows": rows}))
    with pytest.raises(ExperimentError, match=r"dataset\.json: rows: no training rows: run"):
        DatasetFolder(tmp_path / "data")


def test_a_missing_file_or_folder_is_told_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"no dataset in .* run `the-experiment generate`"):
        DatasetFolder(tmp_path / "nowhere")
    folder = small(tmp_path / "data")
    (folder.path / "train.jsonl").unlink()
    with pytest.raises(ExperimentError, match=r"train\.jsonl is missing: run `the-experiment gen"):
        folder.rows("train")


# -- whole or not there --------------------------------------------------------------------------


def test_a_dataset_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    small(tmp_path / "data", HoldOut(sequences=("1,0,1,0,1",)))
    small(tmp_path / "data")
    assert DatasetFolder(tmp_path / "data").manifest.held_out == []
    assert set(contents(tmp_path / "data")) == ALL_FILES
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_an_empty_folder_is_taken_and_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    small(tmp_path / "data")
    small(tmp_path / "a/b/data")
    assert set(contents(tmp_path / "data")) == set(contents(tmp_path / "a/b/data")) == ALL_FILES


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, there: bool) -> None:
    if there:
        small(tmp_path / "data", HoldOut(sequences=("1,0,1,0,1",)))
    (tmp_path / "link").symlink_to(tmp_path / "data")
    small(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert DatasetFolder(tmp_path / "data").manifest.held_out == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "link"]


@pytest.mark.parametrize("name", ["notes.txt", "run.json"])
def test_a_dataset_with_something_else_in_it_is_kept(tmp_path: Path, name: str) -> None:
    small(tmp_path / "data")
    (tmp_path / "data" / name).write_text("mine")
    before = contents(tmp_path / "data")
    with pytest.raises(ExperimentError, match=f"files that are not a dataset's: {name}"):
        small(tmp_path / "data")
    assert contents(tmp_path / "data") == before


@pytest.mark.parametrize("name", ["thesis.tex", "train.jsonl", ".hidden"])
def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("my life's work")
    for out in (tmp_path, tmp_path / name):
        with pytest.raises(ExperimentError, match="already exists and is not a dataset folder"):
            small(out)
    assert contents(tmp_path) == {name: b"my life's work"}


def test_a_failing_generate_leaves_the_old_dataset_whole(tmp_path: Path) -> None:
    before = contents(small(tmp_path / "data").path)

    def fail(_: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        generate(CAUSAL, HoldOut(), SMALL, 1, tmp_path / "data", fail)
    assert contents(tmp_path / "data") == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def interrupted_generate(parent: Path, how: signal.Signals) -> subprocess.Popen[str]:
    """A generate that got `how` while it wrote its rows, once it has ended."""
    words = ("generate", "--seed", "7", "--train-size", "50000000", "--out", str(parent / "data"))
    process = subprocess.Popen(
        [sys.executable, "-m", "the_experiment", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in parent.glob(".data.*/new/train.jsonl")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    process.wait(timeout=60)
    return process


def test_a_kill_leaves_the_old_dataset_whole_and_nothing_after_the_next(tmp_path: Path) -> None:
    before = contents(small(tmp_path / "data").path)
    assert interrupted_generate(tmp_path, signal.SIGKILL).returncode == -signal.SIGKILL
    assert contents(tmp_path / "data") == before
    small(tmp_path / "data", HoldOut(where="A"))
    assert len(DatasetFolder(tmp_path / "data").rows("heldout")) == 16
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_another_process_is_writing_is_left_to_it(tmp_path: Path) -> None:
    theirs = {".data.original", ".data.elsewhere", ".data.mine.old"}
    for name in theirs:
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.jsonl").touch()
    (tmp_path / ".data.elsewhere" / "another-machine.lock").touch()

    def meanwhile(_: int) -> None:  # another generate begins and ends while this one writes
        if not (tmp_path / "data").exists():
            small(tmp_path / "data")

    generate(CAUSAL, HoldOut(where="A"), SMALL, 1, tmp_path / "data", meanwhile)
    assert len(DatasetFolder(tmp_path / "data").rows("heldout")) == 16
    assert {path.name for path in tmp_path.iterdir()} == {"data", *theirs}


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_leave_the_old_dataset_whole_and_nothing_beside(
    tmp_path: Path, ended_by: signal.Signals
) -> None:
    before = contents(small(tmp_path / "data").path)
    process = interrupted_generate(tmp_path, ended_by)
    assert process.returncode == 130
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert contents(tmp_path / "data") == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_full_disk_is_told_and_leaves_the_old_dataset_whole(
    tiny_disk: Path, the_experiment: Command
) -> None:
    before = contents(small(tiny_disk / "data").path)
    done = the_experiment("generate", "--out", str(tiny_disk / "data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "No space left on device" in done.stderr
    assert "→ free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(tiny_disk / "data") == before
    assert [path.name for path in tiny_disk.iterdir()] == ["data"]


def test_a_read_only_folder_is_told(tiny_disk: Path, the_experiment: Command) -> None:
    before = contents(small(tiny_disk / "data").path)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    for words in (
        ("generate", "--out", str(tiny_disk / "data")),
        ("generate", "--out", str(tiny_disk / "new/data")),
        ("worlds", "new", str(tiny_disk / "mine.yaml")),
    ):
        done = the_experiment(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Read-only file system" in done.stderr
        assert "→ choose a folder that you can write to" in done.stderr
        assert "Traceback" not in done.stderr
    assert contents(tiny_disk / "data") == before


@pytest.mark.slow
def test_a_million_rows_of_relay_are_every_seen_state(tmp_path: Path) -> None:
    sizes = Sizes(train=1_000_000)
    generate(find_world("relay"), HoldOut(fraction=0.25), sizes, 0, tmp_path / "data")
    with (tmp_path / "data/train.jsonl").open() as file:
        prompts = {json.loads(line)["prompt"] for line in file}
    assert len(prompts) == 768


def test_splits_into_the_same_states_are_one_split(tmp_path: Path) -> None:
    """However often their rows are drawn, in which order, and what the file says in comments."""
    world = find_world("causal")
    commented = world_from_text("# of mine\n" + world.source, "mine")
    other = world_from_text(world.source.replace("A XOR C", "A OR C"), "other")

    def key(name: str, of: World, seed: int, rows: int, *sequences: str) -> str:
        hold_out, sizes = HoldOut(sequences=sequences), Sizes(train=rows, valid=0, test=0)
        return Split(generate(of, hold_out, sizes, seed, tmp_path / name).manifest).key

    pair = ("1,0,1,0,1", "1,1,1,1,1")
    first = key("a", world, 1, 2_000, *pair)
    assert key("b", world, 2, 3_000, *pair[::-1]) == first
    assert key("c", commented, 1, 2_000, *pair) == first
    assert key("d", other, 1, 2_000, *pair) != first
    assert key("e", world, 1, 2_000, pair[0]) != first


ENDS = np.iinfo(np.int64)


@given(
    st.integers(0, 4).flatmap(
        lambda columns: st.lists(
            st.lists(
                st.sampled_from([0, 1, 2, -7, 2**40, ENDS.min, ENDS.max]),
                min_size=columns,
                max_size=columns,
            ),
            min_size=1,
        )
    )
)
def test_distinct_rows_are_those_of_numpy(rows: list[list[int]]) -> None:
    array = np.array(rows, dtype=np.int64).reshape(len(rows), -1)
    _, first, number = np.unique(array, axis=0, return_index=True, return_inverse=True)
    ours = distinct_rows(array)
    assert ours[0].tolist() == (first.tolist() if array.size else [0])
    assert ours[1].tolist() == (number.ravel().tolist() if array.size else [0] * len(rows))


def test_there_are_no_distinct_rows_of_none() -> None:
    first, number = distinct_rows(np.zeros((0, 3), dtype=np.bool_))
    assert (len(first), len(number)) == (0, 0)
