"""Cells land whole or not at all, once, whatever happens to the processes that compute them."""

from __future__ import annotations

import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from the_experiment.base.errors import ExperimentError
from the_experiment.engine.cell import Cell
from the_experiment.engine.executor import LocalExecutor, SerialExecutor, in_order, refuse_failures
from the_experiment.engine.manifest import start_manifest
from the_experiment.engine.store import NotThereError, Store, write_table

HERE = Path(__file__).parent
ME = "test_engine"


# ---- what cells call, in processes of their own


def total(journal: str, number: int, **needed: int) -> int:
    """`number` and all that it needs; each call is told in a file."""
    time.sleep(0.02)
    with Path(journal).open("a") as file:
        file.write(f"{number}\n")
    return number + sum(needed.values())


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def seen(key: str, default: str, seconds: float) -> tuple[str, float, float]:
    """A variable of the environment, and from when to when this took."""
    began = time.time()
    time.sleep(seconds)
    return os.environ.get(key, default), began, time.time()


def deadly(place: str, deaths: int) -> str:
    """Killed so many times, then well."""
    counted = Path(place)
    before = len(counted.read_text()) if counted.exists() else 0
    if before < deaths:
        counted.write_text("x" * (before + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return "well"


def wrong(kind: str) -> None:
    raise ExperimentError("it went wrong", "do it right") if kind == "ours" else KeyError(kind)


# ---- cells


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.randoms())
def test_a_key_hangs_on_values_not_on_their_order(
    values: dict[str, Any], rng: random.Random
) -> None:
    items = list(values.items())
    rng.shuffle(items)
    one, other = Cell("one", "m:f", values), Cell("another name", "m:f", dict(items))
    assert one == other
    assert one.digest == other.digest
    assert len({one, other}) == 1


def test_a_key_hangs_on_all_else() -> None:
    one = Cell("one", "m:f", {"a": 1})
    others = [
        Cell("one", "m:g", {"a": 1}),
        Cell("one", "m:f", {"a": 2}),
        Cell("one", "m:f", {"a": True}),
        Cell("one", "m:f", {"a": "1"}),
        Cell("one", "m:f", {"a": 1}, revision=2),
        Cell("one", "m:f", {"a": 1}, needs={"b": one}),
        Cell("one", "m:f", {"a": 1}, needs={"c": one}),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == len(others) + 1


def test_a_function_that_moves_keeps_its_results(tmp_path: Path) -> None:
    before = Cell("half", f"{ME}_before:slow", {"seconds": 0})
    landed = Store(tmp_path).result(before, lambda: 7)
    moved = Cell("half", f"{ME}:slow", {"seconds": 0}, known_as=before.function)
    assert moved == before
    assert moved.compute({}) == 0
    assert Store(tmp_path).read(moved) == landed == 7
    assert moved != Cell("half", f"{ME}:slow", {"seconds": 0})


def test_what_json_cannot_hold_is_no_argument() -> None:
    with pytest.raises(TypeError):
        Cell("one", "m:f", {"a": object()})


def test_cells_come_after_those_that_they_need_and_once() -> None:
    base = Cell("base", "m:f", {})
    arms = [Cell(f"arm {n}", "m:f", {"arm": n}, needs={"base": base}) for n in range(3)]
    answers = [Cell(f"answers {n}", "m:g", {}, needs={"arm": arm}) for n, arm in enumerate(arms)]
    order = list(in_order([*answers, base, *arms]))
    assert len(order) == 7
    for cell in order:
        assert all(order.index(needed) < order.index(cell) for needed in cell.needs.values())


# ---- the store


@given(json_values)
def test_what_lands_is_what_is_read(value: Any) -> None:
    from tempfile import TemporaryDirectory

    cell = Cell("one", "m:f", {})
    with TemporaryDirectory() as folder:
        landed = Store(Path(folder)).result(cell, lambda: value)
        assert landed == Store(Path(folder)).read(cell) == value


def test_what_is_there_is_not_computed_again(tmp_path: Path) -> None:
    store, cell, calls = Store(tmp_path), Cell("one", "m:f", {}), []
    for _ in range(2):
        assert store.result(cell, lambda: calls.append(1) or (1, 2)) == [1, 2]  # type: ignore[func-returns-value]
    assert calls == [1]
    assert [path.name for path in tmp_path.glob("[!.]*")] == [f"{cell.key}.json"]


def test_nothing_lands_where_computing_fails(tmp_path: Path) -> None:
    store, cell = Store(tmp_path), Cell("one", "m:f", {})
    with pytest.raises(KeyError):
        store.result(cell, lambda: wrong("theirs"))
    with pytest.raises(NotThereError, match="one is not computed yet"):
        store.read(cell)
    assert store.result(cell, lambda: 3) == 3


def broken(path: Path, how: str) -> None:
    text = path.read_text()
    landed = json.loads(text)
    path.write_text(
        {
            "torn": text[:-20],
            "empty": "",
            "foreign": json.dumps({"responses": []}),
            "changed": json.dumps(landed | {"result": [1, 3]}),
            "another cell": json.dumps(landed | {"identity": {}}),
        }[how]
    )


@pytest.mark.parametrize("how", ["torn", "empty", "foreign", "changed", "another cell"])
def test_a_file_that_is_not_as_it_landed_counts_for_nothing(tmp_path: Path, how: str) -> None:
    store, cell = Store(tmp_path), Cell("one", "m:f", {})
    store.result(cell, lambda: [1, 2])
    broken(store.path(cell), how)
    assert cell not in store
    with pytest.raises(NotThereError):
        store.read(cell)
    assert store.result(cell, lambda: [4]) == [4]
    assert store.read(cell) == [4]


def test_a_result_is_shared_under_another_name_and_from_another_place(tmp_path: Path) -> None:
    one = Cell("one", "m:f", {"a": 1}, where={"folder": "here"})
    other = Cell("the other", "m:f", {"a": 1}, where={"folder": "there"})
    Store(tmp_path).result(one, lambda: 3)
    assert Store(tmp_path).read(other) == 3
    assert other in Store(tmp_path)


# ---- the executor


def grid(journal: Path, number: int) -> list[Cell]:
    """A chain beside a flat grid, which share one cell."""
    first = Cell("first", f"{ME}:total", {"journal": str(journal), "number": 1})
    chain = [first]
    for n in range(2, number):
        needs = {"before": chain[-1]}
        chain.append(Cell(f"{n}", f"{ME}:total", {"journal": str(journal), "number": n}, needs))
    flat = [
        Cell(f"{n}", f"{ME}:total", {"journal": str(journal), "number": n})
        for n in (1, *range(100, 100 + number))
    ]
    return [*chain, *flat]


def run(cells: Sequence[Cell], store: Store, jobs: int = 2) -> int:
    done: list[int] = []
    refuse_failures(LocalExecutor(jobs).run(cells, store, done.append))
    return sum(done)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))


def test_a_graph_and_a_grid_are_computed_once(tmp_path: Path) -> None:
    cells, store = grid(tmp_path / "journal", 5), Store(tmp_path / "cells")
    assert run(cells, store) == len({*cells}) == 9
    assert store.read(cells[3]) == 1 + 2 + 3 + 4
    told = (tmp_path / "journal").read_text().split()
    assert sorted(told) == sorted({*told})
    assert run(cells, store) == 9
    assert (tmp_path / "journal").read_text().split() == told


def test_a_killed_worker_begins_again_and_at_last_fails_alone(tmp_path: Path) -> None:
    cells = [
        Cell(f"{deaths}", f"{ME}:deadly", {"place": str(tmp_path / f"{deaths}"), "deaths": deaths})
        for deaths in (1, 5, 2, 0)
    ]
    store = Store(tmp_path / "cells")
    with pytest.raises(ExperimentError, match="5: its process was killed 3 times"):
        run(cells, store)
    assert [cell in store for cell in cells] == [True, False, True, True]


def test_a_cell_that_needs_one_that_failed_is_left_out_whatever_else_it_needs(
    tmp_path: Path,
) -> None:
    bad, good = (
        Cell("bad", f"{ME}:wrong", {"kind": "ours"}),
        Cell("good", f"{ME}:slow", {"seconds": 1}),
    )
    both = Cell("both", f"{ME}:total", {"journal": "", "number": 1}, needs={"a": bad, "b": good})
    other = Cell("other", f"{ME}:slow", {"seconds": 0.1})
    failed = LocalExecutor(2).run([both, other], store := Store(tmp_path))
    assert failed.keys() == {bad, both}
    assert store.read(good) == 1
    assert store.read(other) == 0.1


def test_what_fails_is_told_with_its_log_and_the_rest_goes_on(tmp_path: Path) -> None:
    ours, theirs = (Cell(kind, f"{ME}:wrong", {"kind": kind}) for kind in ("ours", "theirs"))
    after = Cell("after", f"{ME}:total", {"journal": str(tmp_path / "j"), "number": 1}, {"x": ours})
    well = Cell("well", f"{ME}:total", {"journal": str(tmp_path / "j"), "number": 2})
    store = Store(tmp_path / "cells")
    with pytest.raises(ExperimentError, match="3 cells failed") as failed:
        run([ours, theirs, after, well], store)
    assert "the others are kept" in failed.value.hint
    assert well in store
    log = store.folder / "logs" / f"{theirs.key}.log"
    assert "KeyError: 'theirs'" in log.read_text()
    assert not (store.folder / "logs" / f"{ours.key}.log").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
def test_killed_at_any_moment_nothing_is_lost_done_twice_or_stuck(tmp_path: Path) -> None:
    """Real processes: six runs are killed outright, and the seventh finishes."""
    code = (
        f"import test_engine as t; from pathlib import Path; p = Path({str(tmp_path)!r})\n"
        "if __name__ == '__main__': t.run(t.grid(p / 'journal', 20), t.Store(p / 'cells'))"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    draw = random.Random(0)
    cells, store = grid(tmp_path / "journal", 20), Store(tmp_path / "cells")
    for _ in range(6):
        there = {cell for cell in cells if cell in store}
        running = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
        time.sleep(draw.uniform(0.3, 2.5))
        running.kill()
        running.wait()
        assert all(cell in store for cell in there)
    assert run(cells, store) == len({*cells})
    assert store.read(cells[18]) == sum(range(1, 20))
    told = (tmp_path / "journal").read_text().split()
    assert {*told} == {str(n) for n in (*range(1, 20), *range(100, 120))}
    # At most what ran when it was killed, two a time, was done and had not landed.
    assert len(told) - len({*told}) <= 2 * 6
    assert not [path for path in store.folder.iterdir() if path.name.endswith(".partial")]


def test_two_runs_at_once_share_the_work(tmp_path: Path) -> None:
    code = (
        f"import test_engine as t; from pathlib import Path; p = Path({str(tmp_path)!r})\n"
        "if __name__ == '__main__': t.run(t.grid(p / 'journal', 8), t.Store(p / 'cells'))"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    both = [subprocess.Popen([sys.executable, str(script)]) for _ in range(2)]
    assert [one.wait(timeout=60) for one in both] == [0, 0]
    told = (tmp_path / "journal").read_text().split()
    assert sorted(told) == sorted({*told})


def test_results_are_one_table_that_others_read(tmp_path: Path) -> None:
    import datasets
    import pandas as pd

    first = Cell("first", f"{ME}:total", {"journal": str(tmp_path / "j"), "number": 1})
    second = Cell(
        "second", f"{ME}:total", {"journal": str(tmp_path / "j"), "number": 2}, {"x": first}
    )
    other = Cell("other", f"{ME}:deadly", {"place": str(tmp_path / "d"), "deaths": 0})
    missing = Cell("missing", f"{ME}:wrong", {"kind": "ours"})
    store = Store(tmp_path / "cells")
    assert SerialExecutor().run([second, other, missing], store).keys() == {missing}
    (store.folder / "torn.json").write_text("{")
    write_table(store, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]
    assert [(row["name"], json.loads(row["result"])) for row in rows] == [
        ("first", 1),
        ("other", "well"),
        ("second", 3),
    ]
    assert (rows[0]["key"], rows[2]["needs"]) == (first.key, [first.digest])
    frame = pd.read_parquet(tmp_path / "cells.parquet")
    assert frame["result"].tolist() == [row["result"] for row in rows]
    for kind, name in (("json", "cells.jsonl"), ("parquet", "cells.parquet")):
        read = datasets.load_dataset(
            kind, data_files=str(tmp_path / name), split="train", cache_dir=str(tmp_path / "cache")
        )
        assert read.to_list() == rows


def test_a_manifest_tells_the_commit_and_whether_there_are_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (start_manifest({}).commit, start_manifest({}).dirty) == (None, None)
    name = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), (*name, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *words], check=True)
    clean = start_manifest({"seed": 3})
    assert re.fullmatch("[0-9a-f]{40}", clean.commit or "")
    assert clean.dirty is False
    (tmp_path / "new").touch()
    assert start_manifest({}).dirty is True
    ended = clean.ended()
    assert ended.finished is not None
    assert ended.finished >= ended.created
    assert (ended.arguments, ended.versions["python"]) == ({"seed": 3}, platform.python_version())


def test_a_cell_that_landed_under_another_name_meanwhile_is_found(tmp_path: Path) -> None:
    one, other = Cell("one", "m:f", {"a": 1}), Cell("other", "m:f", {"a": 1})
    store = Store(tmp_path)
    assert other not in store
    Store(tmp_path).result(one, lambda: 3)  # as a worker does, or another run
    assert store.read(other) == 3
    fresh, calls = Store(tmp_path / "new"), []
    assert other not in fresh
    Store(tmp_path / "new").result(one, lambda: 3)
    assert fresh.result(other, lambda: calls.append(1)) == 3
    assert not calls


def test_a_cell_is_running_for_as_long_as_it_is_computed(tmp_path: Path) -> None:
    store, cell = Store(tmp_path), Cell("one", "operator:add", {})
    assert not store.is_computed_now(cell)
    assert store.result(cell, lambda: Store(tmp_path).is_computed_now(cell)) is True
    assert not store.is_computed_now(cell)


def test_what_a_budget_leaves_is_told_and_computed_later(tmp_path: Path) -> None:
    sys.path.insert(0, str(HERE))  # workers find this module as this process does
    quick, long = (Cell(f"{name} s", f"{ME}:slow", {"seconds": name}) for name in (0.0, 60.0))
    store = Store(tmp_path)
    began = time.monotonic()
    failed = LocalExecutor(2, budget=8.0).run([quick, long], store)
    assert time.monotonic() - began < 30
    assert quick in store
    assert {cell.name: why.what for cell, why in failed.items()} == {
        "60.0 s": "not computed within the budget"
    }
    again = Cell("soon", f"{ME}:slow", {"seconds": 0.1})
    assert not LocalExecutor(2, budget=60.0).run([quick, again], store)
