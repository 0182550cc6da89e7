"""The base: what reads the files that people write, and makes names of what they call them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from the_experiment.base.errors import UsageError
from the_experiment.base.names import NAME, name_from
from the_experiment.base.settings import read_settings

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


# -- settings ------------------------------------------------------------------------------------


def test_settings_that_are_not_there_are_told_in_words_only(tmp_path: Path) -> None:
    file = tmp_path / "nope.yaml"
    with pytest.raises(UsageError) as caught:
        read_settings(file, ["epochs"])
    assert caught.value.what == f"{file} can't be read: No such file or directory"


def test_settings_that_are_no_text_are_told_in_words_only(tmp_path: Path) -> None:
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError) as caught:
        read_settings(file, ["epochs"])
    assert caught.value.what == f"{file} can't be read: it is not a text file"
