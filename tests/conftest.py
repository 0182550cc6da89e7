"""What the tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from loguru import logger

# Two threads of torch beside another busy process wait for each other and crawl.
os.environ["OMP_NUM_THREADS"] = "1"

# No deadline: a busy machine is no failure. The same examples each time: a change fails for what it
# changed. `pytest --hypothesis-profile=long` looks harder, and elsewhere each time.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=5_000)
settings.load_profile("default")

# Importing the first registers a model and a baseline, which only its own test should see; the
# second wants what only newer versions of torch have, and runs in processes of its own.
collect_ignore = ["plugin/gru_model.py", "second_device.py"]

EXAMPLES = Path(__file__).parent.parent / "examples"

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def the_experiment(tmp_path: Path) -> Command:
    """Run the console command in a process of its own, in an empty folder."""

    def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "the_experiment", *words],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "100", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 600 kB, for which one has to be root."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The lines that are logged during the test."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(sink)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with GPT-2, RNN and CNN, each fitted to six of the eight states of a world.

    Trained once, by the first of the processes that pytest runs the tests in.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "trained"
    with FileLock(shared / "trained.lock"):
        if not folder.exists():
            _train(folder)
    return folder / "out"


def _train(folder: Path) -> None:
    from the_experiment.data.generate import Sizes, generate
    from the_experiment.data.holdout import HoldOut
    from the_experiment.training.config import TrainConfig
    from the_experiment.training.several import train_each
    from the_experiment.worlds import find_world

    world = find_world(str(EXAMPLES / "three-bits.yaml"))
    data = folder / "dataset"
    generate(world, HoldOut(fraction=0.25), Sizes(train=8_000, valid=50, test=50), 1, data)
    results = train_each("all", TrainConfig(dataset=str(data), until_fit=True), folder / "out")
    assert all(result.fitted for result in results)
