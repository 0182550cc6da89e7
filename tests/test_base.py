"""The base: what reads the files that people write, and makes names of what they call them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from the_experiment.base.errors import ExperimentError, require_packages
from the_experiment.base.files import (
    LONGEST_TEXT,
    read_json,
    read_text,
    replaced_file,
)
from the_experiment.base.names import NAME, name_from
from the_experiment.base.runs import check_name, default_name
from the_experiment.base.settings import read_settings
from the_experiment.base.strict_yaml import DEEPEST_TEXT, read_strictly
from the_experiment.experiments.declaration import find_experiment, write_new_experiment

# -- names ---------------------------------------------------------------------------------------


@given(st.text(max_size=100))
@example("")
@example(".-_")
@example("_mine")
@example("mine\n")
@example("é" * 70 + "a")
@example("a" * 63 + "-" + "b")
def test_every_stem_becomes_a_name(stem: str) -> None:
    assert re.fullmatch(NAME, name_from(stem, otherwise="mine"))


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?", fullmatch=True))
def test_what_is_a_name_stays_as_it_is(stem: str) -> None:
    assert name_from(stem, otherwise="mine") == stem


@given(st.text(min_size=1), st.text())
@example("gpt2", "my data")
@example("gpt2", "x" * 64)
@example("gpt2", "..")
def test_a_run_without_a_name_gets_one_that_it_can_have(model: str, world: str) -> None:
    check_name(default_name(model, world))


# -- extras --------------------------------------------------------------------------------------


def test_a_missing_package_is_named_with_the_extra_it_comes_with() -> None:
    with pytest.raises(ExperimentError) as caught:
        require_packages("json", "no_such_package", "nor_this")
    assert caught.value.what == "not installed: no_such_package, nor_this"
    assert "pip install '.[finetune]'" in caught.value.hint


# -- strict YAML ---------------------------------------------------------------------------------

VALUES = st.recursive(
    st.text(max_size=9),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values),
    max_leaves=9,
)


def refusal(text: str) -> str:
    """What a YAML text is refused with."""
    with pytest.raises(ExperimentError) as caught:
        read_strictly(text, "mine.yaml")
    return caught.value.what


@given(VALUES)
def test_what_yaml_writes_is_read_as_it_was(value: Any) -> None:
    assert read_strictly(yaml.safe_dump(value, default_style='"'), "mine.yaml").value == value


def test_keys_and_items_know_their_places() -> None:
    read = read_strictly("rules:\n  newA: NO\nseeds: [1,\n  2]\n", "mine.yaml")
    assert read.value == {"rules": {"newA": "NO"}, "seeds": ["1", "2"]}
    assert read.places == {
        "rules": "line 1, column 1",
        "rules.newA": "line 2, column 3",
        "seeds": "line 3, column 1",
        "seeds.0": "line 3, column 9",
        "seeds.1": "line 4, column 3",
    }
    assert read.with_place("rules.newA") == "rules.newA, line 2, column 3"
    assert read.with_place("rules.newB") == "rules.newB"


def test_nothing_is_read_as_nothing() -> None:
    assert read_strictly("# only words\n", "mine.yaml").value is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "mine.yaml: a, line 2, column 1: duplicate"),
        ("a:\n- b: 1\n  b: 2", "mine.yaml: a.0.b, line 3, column 3: duplicate"),
        ("a: &a [*a]", "mine.yaml, line 1, column 8: no aliases (*) here; write it out"),
        ("? [a]\n: b", "mine.yaml: file, line 1, column 3: a key should be a name, not a list"),
        ('a: ["\\ud800"]', "mine.yaml: a.0, line 1, column 5: half a surrogate pair"),
        ('a: "\\U00110000"', "mine.yaml: invalid YAML"),
        ('a: "\\UFFFFFFFF"', "mine.yaml: invalid YAML"),
        ("[" * (DEEPEST_TEXT + 1), "mine.yaml, line 1, column 21: lists or keys nested too deeply"),
        ("#" * (LONGEST_TEXT + 1), "mine.yaml: file: has more than 100,000 characters"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_its_place(text: str, says: str) -> None:
    assert refusal(text).startswith(says)


def test_nesting_is_read_as_deep_as_it_may_be() -> None:
    text = "[" * DEEPEST_TEXT + "]" * DEEPEST_TEXT
    assert str(read_strictly(text, "mine.yaml").value) == text


@pytest.mark.parametrize(
    ("again", "says"),
    [
        ("seeds: [4]", ": seeds, line {last}, column 1: duplicate"),
        ("train: {epochs: 1, epochs: 2}", ": train.epochs, line {last}, column 20: duplicate"),
        ("quick: ]", ", line {last}, column 8: expected"),
    ],
)
def test_an_experiment_file_is_read_strictly(tmp_path: Path, again: str, says: str) -> None:
    file = tmp_path / "mine.yaml"
    write_new_experiment(file, "splits")
    text = file.read_text()
    file.write_text(text + again)
    with pytest.raises(ExperimentError) as caught:
        find_experiment(str(file))
    last = text.count("\n") + 1
    assert caught.value.what.startswith(f"{file}{says.format(last=last)}")


# -- settings ------------------------------------------------------------------------------------


def test_settings_that_are_not_there_are_told_in_words_only(tmp_path: Path) -> None:
    file = tmp_path / "nope.yaml"
    with pytest.raises(ExperimentError) as caught:
        read_settings(file, ["epochs"])
    assert caught.value.what == f"{file} can't be read: No such file or directory"


def test_settings_that_are_no_text_are_told_in_words_only(tmp_path: Path) -> None:
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExperimentError) as caught:
        read_settings(file, ["epochs"])
    assert caught.value.what == f"{file} can't be read: it is not a text file"


def test_what_a_killed_writer_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    killed = (
        "import os, signal, sys; from pathlib import Path;"
        "from the_experiment.base.files import replaced_file\n"
        "with replaced_file(Path(sys.argv[1])) as beside:\n"
        "    beside.write_text('half of i')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", killed, str(file)], check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / ".cell.json.bak").write_text("somebody's")
    write = f"from the_experiment.base.files import *; write_text(Path({str(file)!r}), 'written')"
    subprocess.run([sys.executable, "-c", write], check=True)
    assert left.exists()  # its writer may just have begun
    os.utime(left, (0, 0))
    subprocess.run([sys.executable, "-c", write], check=True)
    assert {one.name for one in tmp_path.iterdir()} == {"cell.json", ".cell.json.bak"}


def test_what_another_process_is_writing_is_left_to_it_however_long_it_takes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "cell.json"
    with replaced_file(file) as beside:
        beside.write_text("slowly")
        os.utime(beside, (0, 0))
        written = "import sys; from pathlib import Path;" + (
            "from the_experiment.base.files import write_text; write_text(Path(sys.argv[1]), 'x')"
        )
        subprocess.run([sys.executable, "-c", written, str(file)], check=True)
        assert beside.exists()
    assert file.read_text() == "slowly"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("the_experiment.base.files.PATIENCE", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for read in (read_text, read_json, read_settings_of_none):
        with pytest.raises(
            ExperimentError, match="pipe can't be read: it is a pipe with no writer"
        ):
            read(pipe)


def read_settings_of_none(file: Path) -> object:
    return read_settings(file, [])
