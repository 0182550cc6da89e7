"""How often readers of answers read what a person reads: ours, math-verify, and lm-eval's filters.

    python benchmarks/readers.py

tests/read_by_hand.jsonl has 260 answers of SmolLM2-135M-Instruct, each read by hand by a rule that
was written down first (docs/questions.md). 200 of them were at hand as our reader was mended; the
other 60, the "fresh" ones, were drawn afterwards. The others read numbers only. "False right" are
answers that a reader has right and a person hasn't.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lm_eval.filters.extraction import RegexFilter
from math_verify import parse

from the_experiment.evaluation.statistics import Rate
from the_experiment.worlds.programs.prompts import (
    STEP_BY_STEP,
    VARIABLE_BINDING,
    parser_for,
)
from the_experiment.worlds.questions.answers import parse_answer
from the_experiment.worlds.questions.question import Question

Row = Mapping[str, Any]
ANSWERS = Path(__file__).parent.parent / "tests" / "read_by_hand.jsonl"
QUESTIONS = ("arithmetic", "word-problems", "multi-step", "logic")
# As in lm-eval's own tasks for GSM8K.
STRICT = RegexFilter(regex_pattern=r"#### (\-?[0-9\.\,]+)", fallback="")
FLEXIBLE = RegexFilter(regex_pattern=r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1, fallback="")


def ours(row: Row) -> object:
    """What our reader reads, given the question and whether the answer was cut off."""
    if row["kind"] in QUESTIONS:
        question = Question(question=row["question"], answer=row["expected"], kind=row["kind"])
        return parse_answer(question, row["written"], row["cut"]).value
    prompt = VARIABLE_BINDING if row["kind"] == "binding" else STEP_BY_STEP
    return parser_for(prompt, row["expected"])(row["written"], row["question"], row["cut"]).value


def by_math_verify(row: Row) -> object:
    """The number that math-verify parses."""
    found = parse(row["written"])
    return _whole(str(found[0])) if found else None


def by_filter(pattern: RegexFilter) -> Callable[[Row], object]:
    """What one of lm-eval's filters extracts, as a number."""

    def read(row: Row) -> object:
        ((found,),) = pattern.apply([[row["written"]]], [{}])
        return _whole(found)

    return read


def _whole(text: str) -> int | None:
    try:
        number = float(text.replace(",", "").replace("$", "").rstrip("."))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


READERS: dict[str, Callable[[Row], object]] = {
    "ours": ours,
    "math-verify": by_math_verify,
    "lm-eval, flexible-extract": by_filter(FLEXIBLE),
    "lm-eval, strict-match": by_filter(STRICT),
}


def main() -> None:
    """Print the table."""
    rows = [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()]
    numbers = [row for row in rows if type(row["expected"]) is int]
    sets = {
        "numbers": [row for row in numbers if not row["fresh"]],
        "numbers, fresh": [row for row in numbers if row["fresh"]],
        "all": [row for row in rows if not row["fresh"]],
        "all, fresh": [row for row in rows if row["fresh"]],
    }
    print(f"{'':26}{'agrees':>22}{'right':>8}{'false right':>12}{'missed':>8}")
    for title, some in sets.items():
        by_hand = sum(row["person"] == row["expected"] for row in some)
        print(f"{title}: {len(some)} answers, {by_hand} right as read by hand")
        for name, read in READERS.items():
            if name == "ours" or title.startswith("numbers"):
                print(f"  {name:24}{_agreement(some, read)}")


def _agreement(rows: list[Row], read: Callable[[Row], object]) -> str:
    found = [(row["person"], row["expected"], read(row)) for row in rows]
    agree = Rate(sum(_same(value, person) for person, _, value in found), len(rows))
    right = [(_same(person, answer), _same(value, answer)) for person, answer, value in found]
    counted, false, missed = (
        sum(theirs for _, theirs in right),
        right.count((False, True)),
        right.count((True, False)),
    )
    return f"{agree!s:>22}{counted:8}{false:12}{missed:8}"


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


if __name__ == "__main__":
    main()
