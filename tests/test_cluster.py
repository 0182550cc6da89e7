"""Cells on a Ray cluster: the same results, each landed once, whatever is lost on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_engine import HERE, ME, slow
from the_experiment.base.errors import ExperimentError
from the_experiment.engine.cell import Cell
from the_experiment.engine.cluster import RayExecutor
from the_experiment.engine.executor import LocalExecutor
from the_experiment.engine.store import Store

ray = pytest.importorskip("ray", reason="the extra `cluster` is not installed")
pytestmark = pytest.mark.slow


def written(folder: str, text: str) -> dict[str, int]:
    """A cell that keeps a file."""
    Path(folder, "text").write_text(text)
    return {"length": len(text)}


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers, which begin with this environment, find what cells call."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *sys.path]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


@pytest.fixture
def two_nodes() -> Iterator[object]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_cluster_that_is_started_here_gives_what_processes_give(tmp_path: Path) -> None:
    first = Cell("first", f"{ME}:total", {"journal": str(tmp_path / "journal"), "number": 1})
    cells = [
        Cell(
            f"sum {number}",
            f"{ME}:total",
            {"journal": str(tmp_path / "journal"), "number": number},
            needs={"first": first},
        )
        for number in range(2, 6)
    ]
    kept = Cell("kept", "test_cluster:written", {"text": "abc"}, keeps_files=True)
    dies = Cell("dies", f"{ME}:deadly", {"place": str(tmp_path / "deaths"), "deaths": 2})
    ours, theirs = (Cell(kind, f"{ME}:wrong", {"kind": kind}) for kind in ("ours", "theirs"))
    none = Cell("no JSON", "operator:methodcaller", {"name": "x"})
    every = [*cells, kept, dies, ours, theirs, none]
    counts: list[int] = []
    store = Store(tmp_path / "ray")
    failed = RayExecutor().run(every, store, counts.append)
    assert failed.keys() == {ours, theirs, none}
    assert "TypeError" in failed[none].what
    assert failed[ours].what == "it went wrong"
    assert "KeyError" in store.log(theirs).read_text()
    assert sum(counts) == len(cells) + 1 + 2
    journal = sorted((tmp_path / "journal").read_text().split())
    assert journal == ["1", "2", "3", "4", "5"]
    local = Store(tmp_path / "local")
    LocalExecutor(2).run(cells, local)
    assert [store.read(cell) for cell in cells] == [local.read(cell) for cell in cells]
    assert store.read(dies) == "well"
    assert (Path(store.read(kept)["folder"]) / "text").read_text() == "abc"
    assert not RayExecutor().run(cells, store)  # nothing is left: no cluster is started


def test_a_node_is_lost_in_the_middle_and_every_cell_lands_once(
    two_nodes: object, tmp_path: Path
) -> None:
    lost = two_nodes.add_node(num_cpus=1)  # type: ignore[attr-defined]
    address = two_nodes.address  # type: ignore[attr-defined]
    cells = [Cell(f"cell {n}", f"{ME}:slow", {"seconds": 0.3 + n / 1000}) for n in range(24)]
    counts: list[int] = []
    running: list[int] = []  # as another process sees it
    store = Store(tmp_path)

    def done(more: int) -> None:
        counts.append(more)
        running.append(Store(tmp_path).running_on_cluster())
        if len(counts) == 6:
            two_nodes.remove_node(lost)  # type: ignore[attr-defined]

    assert not RayExecutor(address).run(cells, store, done)
    assert counts == [1] * len(cells)
    assert (running[0], running[-1], store.running_on_cluster()) == (2, 0, 0)
    assert all(store.read(cell) == slow(0) + cell.arguments["seconds"] for cell in cells)


def test_cells_share_the_gpus_of_a_cluster(
    two_nodes: object, tmp_path: Path, logged: list[str]
) -> None:
    address = two_nodes.address  # type: ignore[attr-defined]
    asked = {"key": "CUDA_VISIBLE_DEVICES", "default": "none"}
    cells = [
        Cell(f"cell {n}", f"{ME}:seen", {**asked, "seconds": 0.5 + n / 1000}) for n in range(4)
    ]
    waiting = RayExecutor(address, budget=3.0, gpus=0.5).run(cells, Store(tmp_path))
    assert len(waiting) == len(cells)
    assert [line for line in logged if "no node of the Ray cluster has 0.5 GPUs" in line]
    two_nodes.add_node(num_cpus=4, num_gpus=1)  # type: ignore[attr-defined]
    with pytest.raises(ExperimentError, match=r"1\.5 is not a share"):
        RayExecutor(address, gpus=1.5).run(cells, Store(tmp_path))
    assert not RayExecutor(address, gpus=0.5).run(cells, Store(tmp_path))
    found = [Store(tmp_path).read(cell) for cell in cells]
    assert [gpu for gpu, _, _ in found] == ["0"] * len(cells)
    at_once = [sum(a <= start < b for _, a, b in found) for _, start, _ in found]
    assert max(at_once) == 2
    without = Cell("without", f"{ME}:seen", {**asked, "seconds": 0.0})
    assert not RayExecutor(address).run([without], Store(tmp_path))
    assert Store(tmp_path).read(without)[0] == ""


HEAD = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
print(cluster.address, flush=True)
input()
cluster.shutdown()
"""
JOIN = """
import sys
from pathlib import Path
from the_experiment.engine.cell import Cell
from the_experiment.engine.cluster import RayExecutor
from the_experiment.engine.store import Store
cell, store = Cell("one", "builtins:dict", {"a": 1}), Store(Path("cells"))
print(RayExecutor(sys.argv[1]).run([cell], store), store.read(cell))
"""


def test_a_cluster_that_wants_a_token_is_joined_with_it_alone(tmp_path: Path) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    os.environ.pop("RAY_AUTH_MODE", None)
    home = {**os.environ, "HOME": str(tmp_path)}
    head = subprocess.Popen(
        [sys.executable, "-c", HEAD],
        env={**home, "RAY_AUTH_MODE": "token"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert head.stdout
        address = head.stdout.readline().strip()
        join = [sys.executable, "-c", JOIN, address]
        told = {"capture_output": True, "text": True, "cwd": tmp_path}
        done = subprocess.run(join, env=home, **told)  # type: ignore[call-overload]
        assert done.stdout.split("\n")[0] == "{} {'a': 1}", done.stderr
        next((tmp_path / "cells").glob("one-*.json")).unlink()
        stranger = {**home, "RAY_AUTH_TOKEN": "fedcba9876543210" * 4}
        done = subprocess.run(join, env=stranger, **told)  # type: ignore[call-overload]
        assert "no connection to the Ray cluster" in done.stderr
    finally:
        head.communicate("\n")


def test_a_budget_stops_a_cluster(tmp_path: Path) -> None:
    long = Cell("long", f"{ME}:slow", {"seconds": 300.0})
    began = time.monotonic()
    failed = RayExecutor(budget=10.0).run([long], Store(tmp_path))
    assert time.monotonic() - began < 60
    assert [why.what for why in failed.values()] == ["not computed within the budget"]


def test_an_address_where_nothing_answers_is_told(tmp_path: Path) -> None:
    cell = Cell("one", f"{ME}:slow", {"seconds": 0.0})
    with pytest.raises(ExperimentError, match="no Ray cluster answers"):
        RayExecutor("127.0.0.1:1").run([cell], Store(tmp_path))
