"""Each kind of experiment, killed outright at random moments, then run to its end.

KILLS=20 python -m pytest tests/test_killed.py -m slow -n 2     # more moments than CI has time for
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from test_bet import TINY as BET
from test_course import COURSE, WORLD
from test_experiments import random_folder
from test_traces_tuning import TINY as TRACES
from test_tracing import answering

KILLS = int(os.environ.get("KILLS", "1"))  # of each kind
EXAMPLES = Path(__file__).parent.parent / "examples"


def splits(folder: Path) -> None:
    shutil.copy(EXAMPLES / "three-bits.yaml", folder)
    shutil.copy(EXAMPLES / "half-hidden.yaml", folder / "mine.yaml")


def dynamics(folder: Path) -> None:
    (folder / "two-lines.yaml").write_text(WORLD)
    (folder / "mine.yaml").write_text(COURSE)


def bet(folder: Path) -> None:
    (folder / "mine.yaml").write_text(f"kind: bet\n{BET}")


def programs(folder: Path) -> None:
    random_folder(folder / "out" / "model")
    told: dict[str, object] = {"kind": "programs", "name": "mine", "models": ["model"]}
    told["lengths"] = [2, 3, 4, 5]
    (folder / "mine.yaml").write_text(yaml.safe_dump(told))


def tracing(folder: Path) -> None:
    answering("llama", folder / "out" / "model")
    told = {"kind": "tracing", "name": "mine", "model": "model"}
    few = {"lengths": [2], "hops": [0, 1], "pairs": 2}
    (folder / "mine.yaml").write_text(yaml.safe_dump({**told, **few}))


def questions(folder: Path) -> None:
    random_folder(folder / "out" / "model")
    told = {"kind": "questions", "name": "mine", "model": "model", "questions": ["arithmetic"]}
    few = {"limit": 2, "max_new_tokens": 3, "style": "bare", "device": "cpu"}
    (folder / "mine.yaml").write_text(yaml.safe_dump({**told, **few}))


def traces(folder: Path) -> None:
    told = {"kind": "traces", "name": "mine", "question": "Does it?"}
    scale = TRACES.model_dump(mode="json")
    (folder / "mine.yaml").write_text(yaml.safe_dump(told | {"full": scale}))


KINDS = [splits, programs, bet]
KINDS += [dynamics, tracing, questions, traces] if "KILLS" in os.environ else []


def begin(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "the_experiment", "experiments", "run", "mine.yaml", "--json"]
    return subprocess.Popen(
        command,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(folder: Path) -> object:
    running = begin(folder)
    stdout, stderr = running.communicate()
    assert running.returncode == 0, stderr
    return json.loads(stdout)


def cells(folder: Path) -> dict[str, int]:
    """When each cell landed."""
    return {
        path.name: path.stat().st_mtime_ns for path in (folder / "out").glob("*/*/cells/*.json")
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_moment_nothing_is_lost_done_twice_or_stuck(
    kind: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    kind(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    started = time.monotonic()
    whole = finish(tmp_path / "whole")
    seconds, draw = time.monotonic() - started, random.Random(KILLS)
    there: dict[str, int] = {}
    for _ in range(KILLS):
        running = begin(tmp_path / "killed")
        time.sleep(draw.uniform(0.1, seconds))
        running.send_signal(signal.SIGKILL)  # its workers end by themselves
        running.communicate()
        now = cells(tmp_path / "killed")
        assert there.items() <= now.items()
        there = now
    assert finish(tmp_path / "killed") == whole
    last = cells(tmp_path / "killed")
    assert there.items() <= last.items()
    assert {*last} == {*cells(tmp_path / "whole")}
    left = [path for path in (tmp_path / "killed").rglob("*") if ".partial" in path.name]
    assert not left
