"""`train` as a command: settings, wrong data, Ctrl-C on several models, faults of the disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from conftest import Command
from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import Run, find_runs
from the_experiment.cli import main
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.training.config import TrainConfig
from the_experiment.training.job import prepare
from the_experiment.training.loop import train
from the_experiment.worlds import find_world

THE_EXPERIMENT = [sys.executable, "-m", "the_experiment"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small data set of the default world: 40 batches."""
    folder = tmp_path_factory.mktemp("data") / "dataset"
    generate(find_world("causal"), HoldOut(fraction=0.2), Sizes(train=640, valid=64), 3, folder)
    return str(folder)


def test_texts_of_all_lengths_are_trained_on_without_a_warning(
    the_experiment: Command,
) -> None:
    the_experiment("generate", "--world", "modular", "--train-size", "64")
    done = the_experiment("train", "gpt2", "--epochs", "1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_settings_come_from_file_then_environment_then_flags(data: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({"epochs": 2, "batch_size": 64, "seed": 5, "dataset": data}))
    command = [*THE_EXPERIMENT, "train", "--config", "settings.yaml"]
    told = subprocess.run(
        [*command, "--seed", "7", "cnn"],
        cwd=tmp_path,
        env={**os.environ, "THE_EXPERIMENT_TRAIN_BATCH_SIZE": "32"},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    run = Run(tmp_path / "out" / "tiny-cnn-causal")
    config = TrainConfig.from_file(run.config)
    assert (config.epochs, config.batch_size, config.seed) == (2, 32, 7)
    assert "loss" in (tmp_path / "logs" / "the-experiment.log").read_text()
    # A run's own configuration is such a file.
    again = [*THE_EXPERIMENT, "train", "--config", str(run.config), "--name", "again"]
    told = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    weights = [
        (tmp_path / "out" / name / "final" / "model.safetensors").read_bytes()
        for name in (run.name, "again")
    ]
    assert weights[0] == weights[1]
    file.write_text("epoch: 2")
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 2
    assert "unknown key 'epoch'" in told.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["transformer"], "there is no model called 'transformer'"),
        (["all", "--name", "one"], "--name can't be combined with all"),
        (["cnn", "--name", "../mine"], "a run can't be called '../mine'"),
        (["cnn", "--name", "."], "a run can't be called '.'"),
        (["cnn", "--name", "archive"], "a run can't be called 'archive'"),
        (["cnn", "--name", "experiments"], "a run can't be called 'experiments'"),
        (["cnn", "--name", "programs"], "a run can't be called 'programs'"),
        (["cnn", "--name", "questions"], "a run can't be called 'questions'"),
        (["--learning-rate", "-1"], "learning_rate"),
        (["--width", "130"], "a width of 130 is not divisible by 4 heads"),
        (["--device", "cuda"], "--device cpu"),
        (["--dataset", "nowhere"], "run `the-experiment generate`"),
        (["--tokenizer", "."], "no tokenizer can be read"),
        (
            ["all", "--width", "16", "--layers", "1", "--heads", "1"],
            "no width of cnn comes within 5% of 4,544 parameters, GPT-2's",
        ),
    ],
)
def test_a_wrong_call_is_told(
    data: str,
    tmp_path: Path,
    words: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["train", *words, *([] if "--dataset" in words else ["--dataset", data])])
    assert ended.value.code in (1, 2)
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("missing", "no dataset in"),
        ("torn", "train.jsonl, line 640"),
        ("columns", "no string 'completion'"),
        ("empty", "has changed since"),
    ],
)
def test_data_that_cannot_be_trained_on_is_told(
    data: str, tmp_path: Path, damage: str, told: str
) -> None:
    folder = tmp_path / "dataset"
    shutil.copytree(data, folder)
    rows = folder / "train.jsonl"
    if damage == "missing":
        shutil.rmtree(folder)
    elif damage == "torn":
        rows.write_text(rows.read_text()[:-20])
    elif damage == "columns":
        rows.write_text('{"prompt": "0"}\n')
    else:
        rows.write_text("")
    with pytest.raises(ExperimentError, match=told):
        train(TrainConfig(dataset=str(folder)), Run(tmp_path / "run"))


def test_a_data_set_without_a_world_is_trained_on_but_not_judged(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    row = json.dumps({"prompt": "ab", "completion": "ba"}) + "\n"
    (folder / "train.jsonl").write_text(row * 64)
    command = [*THE_EXPERIMENT, "train", "cnn", "--dataset", str(folder), "--epochs", "1"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    told = subprocess.run(
        [*THE_EXPERIMENT, "compare"], cwd=tmp_path, capture_output=True, text=True
    )
    assert told.returncode == 1
    assert "no rules to grade it by" in told.stderr


def test_any_hugging_face_tokenizer_can_be_used(data: str, tmp_path: Path) -> None:
    character_tokenizer("0123456789,-\n ").save_pretrained(tmp_path / "tokenizer")
    job = prepare(TrainConfig(dataset=data, tokenizer=str(tmp_path / "tokenizer")))
    assert job.model.config.vocab_size == 17


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own; skips where none may be mounted."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]).returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("options", "told", "hint"),
    [
        ("size=1m", "needs 1[0-9].* MB, and its disk has 1.0 free", "free some space"),
        ("size=18m", "No space left", "free some space"),
        ("ro", r"[Rr]ead-only", "choose a folder that you can write to"),
    ],
)
def test_a_disk_that_is_full_or_read_only_is_told(
    data: str, tmp_path: Path, options: str, told: str, hint: str
) -> None:
    config = TrainConfig(dataset=data, epochs=1, checkpoint_every=5)
    with (
        mounted(tmp_path / "disk", options) as disk,
        pytest.raises(ExperimentError, match=told) as raised,
    ):
        train(config, Run(disk / "run"))
    assert hint in raised.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn", pytest.param("all", marks=pytest.mark.slow)])
def test_a_log_in_whose_place_something_stands_is_told_once(
    data: str, tmp_path: Path, model: str
) -> None:
    if model == "all":
        (tmp_path / "logs").write_text("")
    else:
        (tmp_path / "logs" / "the-experiment.log").mkdir(parents=True)
    told = subprocess.run(
        [*THE_EXPERIMENT, "train", model, "--dataset", data, "--epochs", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0
    assert "no log is kept: " in told.stderr
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_log_that_a_full_disk_refuses_is_told_once(data: str, tmp_path: Path) -> None:
    words = ("train", "cnn", "--dataset", data, "--epochs", "1", "--out", str(tmp_path / "out"))
    with mounted(tmp_path / "disk", "size=16k") as disk:
        (disk / "filler").write_bytes(bytes(16 * 1024))
        told = subprocess.run([*THE_EXPERIMENT, *words], cwd=disk, capture_output=True, text=True)
    assert told.returncode == 0
    assert told.stderr.startswith("no log is kept: No space left on device")
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_log_of_100_mb_is_put_aside_for_ten_days(data: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "the-experiment.log").touch()
    os.truncate(logs / "the-experiment.log", 100_000_000)
    for days in (9, 11):
        (logs / f"the-experiment.{days}.log").touch()
        os.utime(logs / f"the-experiment.{days}.log", times=(0, time.time() - days * 86_400))
    words = ("train", "cnn", "--dataset", data, "--epochs", "1")
    assert not subprocess.run([*THE_EXPERIMENT, *words], cwd=tmp_path).returncode
    assert (logs / "the-experiment.log").stat().st_size < 10_000
    aside = [path for path in logs.iterdir() if path.stat().st_size == 100_000_000]
    assert len(aside) == 1
    assert {path.name for path in logs.iterdir()} == {
        *("the-experiment.log", "the-experiment.9.log", aside[0].name),
    }


def test_a_folder_in_the_way_of_one_model_is_told_before_any_is_trained(
    data: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    thesis = Path("out/tiny-cnn-causal/thesis.tex")
    thesis.parent.mkdir(parents=True)
    thesis.write_text("my life's work")
    with pytest.raises(SystemExit):
        main(["train", "all", "--dataset", data])
    assert "out/tiny-cnn-causal already exists and is not a run folder" in capsys.readouterr().err
    assert list(Path("out").rglob("*")) == [thesis.parent, thesis]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
def test_a_killed_worker_is_told(data: str, tmp_path: Path) -> None:
    words = ["train", "all", "--dataset", data, "--epochs", "30"]
    begun = subprocess.Popen(
        [*THE_EXPERIMENT, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while len(list(tmp_path.glob("out/*/metrics.jsonl"))) < 2:
        assert begun.poll() is None
        time.sleep(0.05)
    worker = next(
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if int(stat.read_text().rpartition(")")[2].split()[1]) == begun.pid
        and b"spawn_main" in (stat.parent / "cmdline").read_bytes()
    )
    os.kill(worker, signal.SIGKILL)
    _, stderr = begun.communicate(timeout=60)
    assert begun.returncode == 1
    assert "a worker process was killed" in stderr
    assert "Traceback" not in stderr


@pytest.mark.slow
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_all_models_and_keep_their_checkpoints(
    data: str, tmp_path: Path, ended_by: signal.Signals
) -> None:
    begun = subprocess.Popen(
        [*THE_EXPERIMENT, "train", "all", "--dataset", data, "--epochs", "30"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(list(tmp_path.glob("out/*/metrics.jsonl"))) < 2:
        assert begun.poll() is None
        time.sleep(0.05)
    begun.send_signal(ended_by)
    _, stderr = begun.communicate(timeout=60)
    assert begun.returncode == 130
    assert stderr.count("stopped at step") >= 2
    assert "Traceback" not in stderr
    assert not find_runs(tmp_path / "out")
    assert len(list(tmp_path.glob("out/*/checkpoint/progress.json"))) >= 2


def screen(*words: str, cwd: Path) -> list[str]:
    """The lines that stand on a terminal once the command is over, which must succeed."""
    pty = pytest.importorskip("pty")
    terminal, end = pty.openpty()
    begun = subprocess.Popen(
        [*THE_EXPERIMENT, *words],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "300", "LINES": "50"},
        stdin=end,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    written = b""
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while more := os.read(terminal, 65536):
            written += more
    os.close(terminal)
    assert begun.wait() == 0, written
    return drawn(written.decode())


def drawn(written: str) -> list[str]:
    """What a terminal shows of it, as far as rich's bars make use of one."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", written):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            before, after = lines[row][:column].ljust(column), lines[row][column + len(part) :]
            lines[row], column = before + part + after, column + len(part)
    return [line.rstrip() for line in lines]


@pytest.mark.slow
def test_a_terminal_shows_every_line_of_several_models(data: str, tmp_path: Path) -> None:
    """Their results, and what their processes say; of the bars nothing is left."""
    words = ("train", "all", "--dataset", data, "--epochs", "1")
    models = ("cnn", "gpt2", "rnn")
    results = [f"tiny-{model}-causal: 40 steps" for model in models]
    earlier = [f"the earlier tiny-{model}-causal is kept" for model in models]
    for expected in (results, earlier + results):
        lines = sorted(line for line in screen(*words, cwd=tmp_path) if line)
        assert len(lines) == len(expected)
        assert all(map(str.startswith, lines, sorted(expected))), lines


@pytest.mark.slow
def test_a_terminal_shows_log_lines_beside_the_result(data: str, tmp_path: Path) -> None:
    words = ("train", "cnn", "--dataset", data, "--epochs", "1")
    screen(*words, cwd=tmp_path)
    earlier, result = (line for line in screen(*words, cwd=tmp_path) if line)
    assert earlier.startswith("the earlier tiny-cnn-causal is kept in ")
    assert result.startswith("tiny-cnn-causal: 40 steps")
