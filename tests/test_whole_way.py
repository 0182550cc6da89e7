"""The whole way as a user goes it: the command lines the project was described with, and `demo`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import the_experiment
from the_experiment.base.runs import find_runs

pytestmark = pytest.mark.slow

AS_A_FILE = [sys.executable, str(Path(the_experiment.__file__))]
AS_A_COMMAND = [sys.executable, "-m", "the_experiment"]


def call(words: list[str], folder: Path, **environment: str) -> str:
    """Standard output of a call that has to end well."""
    done = subprocess.run(
        words, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_lines_of_the_description_in_order(tmp_path: Path) -> None:
    few = {"THE_EXPERIMENT_GENERATE_TRAIN_SIZE": "640"}  # 120 steps, not 3,750
    told = call([*AS_A_FILE, "--generate", "-o", "1,0,1,0,1"], tmp_path, **few)
    assert "held out: 1,0,1,0,1" in told
    for flag in ("--train", "--train_rnn", "--train_cnn"):
        assert "120 steps" in call([*AS_A_COMMAND, flag], tmp_path)
    for sequence, truth in (("0,0,1,1,1", "1,0,0,0"), ("1,0,1,0,1", "0,1,0,1")):
        told = call([*AS_A_COMMAND, "--test", sequence], tmp_path)
        assert truth in told
        assert all(name in told for name in ("tiny-gpt2", "tiny-rnn", "tiny-cnn"))
    page = subprocess.Popen(
        [*AS_A_COMMAND, "--testui"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert page.stderr
    assert "the playground is at http://127.0.0.1:7860" in page.stderr.readline()
    with urllib.request.urlopen("http://127.0.0.1:7860", timeout=60) as answer:
        assert answer.status == 200
    page.send_signal(signal.SIGINT)
    assert page.wait(timeout=60) == 130


def test_demo(tmp_path: Path) -> None:
    told = call([*AS_A_COMMAND, "demo"], tmp_path)
    assert told.count("every seen state exact") == 3
    assert len(find_runs(tmp_path / "out")) == 3
    assert "6 held-out states" in told
    assert "The report is in out/report.html" in told
    assert (tmp_path / "out" / "report.html").read_text().count("<svg") == 1
