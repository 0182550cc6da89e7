"""Answers as we, math-verify and lm-eval read them: the table in docs/questions.md, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval.filters.extraction import RegexFilter
from math_verify import parse

from the_experiment.worlds.answers import parse_integer

PAGE = Path(__file__).parent.parent / "docs" / "questions.md"
GSM8K = yaml.safe_load(files("lm_eval").joinpath("tasks/gsm8k/gsm8k.yaml").read_text())
FILTERS = {one["name"]: one["filter"][0] for one in GSM8K["filter_list"]}


def rows() -> Iterator[tuple[str, ...]]:
    """What was written, and how each of the three reads it."""
    table = PAGE.read_text().split("| written ")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        written, *read, _ = line.replace("\\|", "\0").strip("|").split("|")
        text = written.strip().strip("`").replace("↵", "\n").replace("\0", "|")
        yield (text, *(one.strip() for one in read))


def by_lm_eval(name: str, text: str) -> str:
    settings: dict[str, Any] = {**FILTERS[name], "fallback": "none"}
    del settings["function"]
    [[found]] = RegexFilter(**settings).apply([[text]], [{}])
    return str(found)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_table_of_readers(row: tuple[str, ...]) -> None:
    text, ours, math_verify, last = row
    number = parse_integer(text).value
    assert ("none" if number is None else str(number)) == ours
    found = [str(one) for one in parse(text)] or ["none"]
    assert math_verify in (found[0], found[-1])
    assert by_lm_eval("flexible-extract", text) == last
    assert by_lm_eval("strict-match", text) == "none"
    assert by_lm_eval("strict-match", f"{text}\n#### 8") == "8"


def test_the_three_agree_on_a_plain_answer() -> None:
    for number in (0, 7, 42, -5, 123, 9500):
        for text in (f"{number}", f"The answer is {number}.", f"3 + 4, so it is {number}"):
            assert parse_integer(text).value == number
            assert float(parse(text)[0]) == number
            assert float(by_lm_eval("flexible-extract", text).rstrip(".")) == number
