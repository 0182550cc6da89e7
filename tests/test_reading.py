"""Training data of one's own: read as it is meant, or refused with file, line and what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import datasets
import pytest

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl
from the_experiment.base.tables import read_table
from the_experiment.data.reading import read_dataset
from the_experiment.data.trace_rows import read_traces
from the_experiment.worlds.questions.reading import read_questions

PAIRS = [("1,0", "=1"), ("0,1", "=0")]
LINES = "".join(json.dumps({"prompt": one, "completion": other}) + "\n" for one, other in PAIRS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", LINES.encode()),
        ("rows.JSONL", LINES.encode()),
        ("rows.jsonl", LINES.encode() + b"\n \n"),
        ("rows.jsonl", b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode()),
        ("rows.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
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
        ("rows.jsonl", b'{"prompt": "a", "completion": "b"}\n\n{}\n', "line 2 is not valid JSON"),
        ("rows.jsonl", b"\n" + LINES.encode(), "line 1 is not valid JSON"),
        ("rows.jsonl.gz", b"no gzip", "can't be read"),
        ("rows.parquet", b"PAR1 and no more", "can't be read as Parquet"),
        ("rows.txt", b"a b", "is not a file of rows"),
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


def test_what_datasets_writes_is_read(tmp_path: Path) -> None:
    table = datasets.Dataset.from_list([{"prompt": a, "completion": b} for a, b in PAIRS])
    table.to_parquet(str(tmp_path / "rows.parquet"))
    table.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": table, "validation": table.select([1])}).save_to_disk(
        str(tmp_path / "several")
    )
    assert read_dataset(str(tmp_path / "rows.parquet")) == {"train": PAIRS}
    assert read_dataset(str(tmp_path / "one")) == {"train": PAIRS}
    assert read_dataset(str(tmp_path / "several")) == {"train": PAIRS, "valid": PAIRS[1:]}
    with pytest.raises(ExperimentError, match=r"several splits: give one of them: .*several/train"):
        read_table(tmp_path / "several")


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def said(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in turns]


@pytest.mark.parametrize(
    ("row", "pairs"),
    [
        ({"question": "Is 4 even?", "answer": True}, [("Is 4 even?", " yes")]),
        ({"question": "2 + 3?", "answer": 5, "level": "easy"}, [("2 + 3?", " 5")]),
        (
            {"question": "2 apples and 3?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"},
            [("2 apples and 3?", " 2 + 3 = <<2+3=5>>5\n#### 5")],
        ),
        (
            {"passage": "Tom is old.", "question": "Is Tom old?", "answer": True},
            [("Tom is old.\nIs Tom old?", " yes")],
        ),
        ({"messages": said(("user", "2 + 3?"), ("assistant", "5"))}, [("2 + 3?\n", "5")]),
        (
            {
                "messages": said(
                    ("system", "Be brief."),
                    ("user", "2 + 3?"),
                    ("assistant", "5"),
                    ("user", "And 1?"),
                    ("assistant", "6"),
                )
            },
            [
                ("system: Be brief.\nuser: 2 + 3?\n", "5"),
                ("system: Be brief.\nuser: 2 + 3?\nassistant: 5\nuser: And 1?\n", "6"),
            ],
        ),
        (
            {
                "id": "x",
                "conversations": [
                    {"from": "human", "value": "2 + 3?"},
                    {"from": "gpt", "value": "5"},
                ],
            },
            [("2 + 3?\n", "5")],
        ),
        ({"instruction": "Add.", "input": "2, 3", "output": "5"}, [("Add.\n2, 3\n", "5")]),
        ({"instruction": "Add 2, 3.", "input": "", "output": "5"}, [("Add 2, 3.\n", "5")]),
        ({"instruction": "Add 2, 3.", "output": "5"}, [("Add 2, 3.\n", "5")]),
    ],
)
def test_formats_of_the_field_are_trained_on(
    tmp_path: Path, row: dict[str, object], pairs: list[tuple[str, str]]
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(lines({"prompt": "a", "completion": "b"}, row))
    assert read_dataset(str(file))["train"] == [("a", "b"), *pairs]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "Which?", "choices": ["a", "b"], "answer": "a"}, "has a column choices"),
        ({"instruction": "Add.", "output": "5", "system": "Be brief."}, "has a column system"),
        ({"instruction": "Add.", "output": 5}, "has no string 'completion'"),
        ({"messages": "hello"}, "has no list of messages"),
        ({"messages": said(("user", "Hello"))}, "has no assistant reply"),
        ({"messages": said(("assistant", "Hello"))}, "begins with an assistant reply"),
        ({"messages": said(("tool", "5"))}, "has a message with role 'tool'"),
        ({"messages": [{"role": "user", "content": None}]}, "has no string 'content'"),
        ({"text": "Hello"}, "has no column prompt or completion (it has text)"),
    ],
)
def test_rows_of_no_such_format_are_named(
    tmp_path: Path, row: dict[str, object], told: str
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(lines({"prompt": "a", "completion": "b"}, row))
    with pytest.raises(ExperimentError) as error:
        read_dataset(str(file))
    assert f"{file}, line 2 {told}" in str(error.value)


def test_traces_are_prepared_from_conversations(tmp_path: Path) -> None:
    reply = "<think>\n2 + 3 = 5\n</think>\n5"
    file = tmp_path / "rows.jsonl"
    file.write_text(
        lines(
            {"messages": said(("user", "2 + 3?"), ("assistant", reply)), "level": "easy"},
            {"instruction": "Add 2, 3.", "output": reply},
        )
    )
    rows = read_traces(file)
    assert [(row.prompt, row.completion) for row in rows] == [
        ("2 + 3?\n", reply),
        ("Add 2, 3.\n", reply),
    ]
    assert rows[0].columns == {"prompt": "2 + 3?\n", "completion": reply, "level": "easy"}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Ann has 3 * 6 = <<3*6=18>>18.\n#### 18", 18),
        ("#### -1,250", -1250),
        ("#### 18.00", 18),
        ("18", 18),
        (18.0, 18),
        ("Yes", True),
        ("false", False),
        (True, True),
    ],
)
def test_right_answers_are_read_as_benchmarks_write_them(
    tmp_path: Path, answer: object, value: bool | int
) -> None:
    file = tmp_path / "gsm8k.jsonl"
    file.write_text(lines({"question": "How many?", "answer": answer}))
    (question,) = read_questions(str(file))
    assert (question.answer, type(question.answer)) == (value, type(value))
    assert question.kind == "gsm8k"


def test_questions_are_read_from_tables_and_folders(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(
        'question,answer,passage\n"How much is 1,000 + 1?","1,001",A sum.\n'
    )
    table = datasets.Dataset.from_csv(str(tmp_path / "rows.csv"), cache_dir=str(tmp_path / "cache"))
    table.to_parquet(str(tmp_path / "rows.parquet"))
    table.save_to_disk(str(tmp_path / "rows"))
    for name in ("rows.csv", "rows.parquet", "rows"):
        (question,) = read_questions(str(tmp_path / name))
        assert question.text == "A sum.\nHow much is 1,000 + 1?"
        assert (question.answer, question.kind) == (1001, "rows")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"answer": 5}, "line 1 has no string 'question'"),
        ({"question": "", "answer": 5}, "line 1 has no string 'question'"),
        ({"question": "How many?"}, "line 1 has no answer"),
        ({"question": "How many?", "answer": "#### 1.5"}, "the answer '1.5' is neither"),
        ({"question": "How many?", "answer": "18 pens"}, "the answer '18 pens' is neither"),
        ({"question": "How many?", "answer": ["18"]}, "is neither a whole number nor yes or no"),
        ({"question": "Which?", "answer": 1, "choices": ["a", "b"]}, "has a column choices"),
        (
            {"question": "2 + 3?", "answer": 5, "operands": ["2", 3], "operations": ["+"]},
            "operands.0: should be a whole number",
        ),
        (
            {"question": "2 + 3?", "answer": 6, "operands": [2, 3], "operations": ["+"]},
            "operations on the operands don't give the answer",
        ),
    ],
)
def test_rows_that_are_no_questions_are_named(
    tmp_path: Path, row: dict[str, object], told: str
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(lines(row))
    with pytest.raises(ExperimentError) as error:
        read_questions(str(file))
    assert str(file) in str(error.value)
    assert told in str(error.value)
