"""The base: what reads the files that people write, and makes names of what they call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from the_experiment.base.errors import UsageError
from the_experiment.base.settings import read_settings

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
