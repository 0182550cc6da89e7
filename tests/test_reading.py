"""Training data of one's own: read as it is meant, or refused with file, line and what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl
from the_experiment.data.reading import read_dataset

PAIRS = [("1,0", "=1"), ("0,1", "=0")]
LINES = "".join(json.dumps({"prompt": one, "completion": other}) + "\n" for one, other in PAIRS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", LINES.encode()),
        ("rows.JSONL", LINES.encode()),
        ("rows.jsonl", LINES.encode() + b"\n \n"),
        ("rows.jsonl", b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode()),
        ("rows.jsonl.gz", gzip.compress(LINES.encode())),
        ("rows.csv", b'prompt,completion\n"1,0",=1\n"0,1",=0\n'),
        ("rows.csv", b"\xef\xbb\xbfprompt;completion\r\n1,0;=1\r\n\r\n0,1;=0\r\n"),
        ("rows.tsv", b"id\tprompt\tcompletion\n1\t1,0\t=1\n2\t0,1\t=0\n"),
    ],
)
def test_rows_are_read_as_they_are_meant(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read_dataset(str(tmp_path / name))["train"] == PAIRS


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.csv", b"prompt,completion\n1,0,0\n", "line 2 has 3 columns, and the header 2"),
        ("rows.csv", b'prompt,completion\n"a\nb",c\nd\n', "line 4 has 1 column,"),
        ("rows.csv", b"prompt,prompt,completion\na,b,c\n", "has the column prompt twice"),
        ("rows.csv", "prompt,completion\ncaf\u00e9,x\n".encode("latin-1"), "can't be read as CSV"),
        ("rows.csv", b"prompt|completion\na|b\n", "has no column prompt or completion"),
        (
            "rows.jsonl",
            LINES.encode() + '{"prompt": "caf\u00e9", "completion": ""}\n'.encode("latin-1"),
            "line 3 is not UTF-8",
        ),
        ("rows.jsonl", b'{"prompt": "a", "completion": "b"}\n\n{}\n', "line 2 is not whole JSON"),
        ("rows.jsonl", b"\n" + LINES.encode(), "line 1 is not whole JSON"),
        ("rows.jsonl.gz", b"no gzip", "can't be read"),
        (
            "rows.jsonl",
            b'{"passage": "Tom is old.", "question": "Is Tom old?", "answer": true}\n',
            "has a column passage, which would not be trained on",
        ),
    ],
)
def test_what_would_train_something_else_is_refused(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ExperimentError) as error:
        read_dataset(str(tmp_path / name))
    assert name in str(error.value)
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["valid", "validation", "val", "dev", "Dev"])
def test_rows_to_validate_on_have_several_names(tmp_path: Path, name: str) -> None:
    (tmp_path / "train.jsonl").write_text(LINES)
    (tmp_path / f"{name}.jsonl").write_text(LINES.splitlines(keepends=True)[1])
    assert read_dataset(str(tmp_path)) == {"train": PAIRS, "valid": PAIRS[1:]}


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n")
    assert read_jsonl(tmp_path / "rows.jsonl") == []
