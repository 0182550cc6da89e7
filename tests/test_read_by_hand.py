"""Answers of a real model, read by hand by the rule in docs/questions.md, beside our reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from the_experiment.worlds.programs.prompts import STEP_BY_STEP, VARIABLE_BINDING, parser_for
from the_experiment.worlds.questions.answers import parse_answer
from the_experiment.worlds.questions.question import Question

LINES = Path(__file__).with_name("read_by_hand.jsonl").read_text(encoding="utf-8").splitlines()
ROWS: list[dict[str, Any]] = [json.loads(line) for line in LINES]


def read(row: dict[str, Any]) -> object:
    if row["kind"] in ("arithmetic", "word-problems", "multi-step", "logic"):
        question = Question(question=row["question"], answer=row["expected"], kind=row["kind"])
        return parse_answer(question, row["written"], row["cut"]).value
    parser = parser_for(
        VARIABLE_BINDING if row["kind"] == "binding" else STEP_BY_STEP, row["expected"]
    )
    return parser(row["written"], row["question"], row["cut"]).value


@pytest.mark.parametrize(("fresh", "answers", "agreed"), [(False, 200, 188), (True, 60, 51)])
def test_answers_are_read_as_a_person_reads_them(fresh: bool, answers: int, agreed: int) -> None:
    rows = [row for row in ROWS if row["fresh"] is fresh]
    assert len(rows) == answers
    same = [type(read(row)) is type(row["person"]) and read(row) == row["person"] for row in rows]
    assert sum(same) >= agreed


def test_few_wrong_answers_count_as_right() -> None:
    wrong = [row for row in ROWS if row["person"] != row["expected"]]
    assert sum(read(row) == row["expected"] for row in wrong) <= 1
