"""Rows with traces: puzzles that were drawn, or texts of one's own, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.seeds import derived_seed
from the_experiment.base.strict import first_problem
from the_experiment.base.tables import Row, read_table
from the_experiment.data.formats import completed
from the_experiment.worlds.causal.puzzle import Puzzle
from the_experiment.worlds.causal.writing import CLOSED, completion_of, prompt_of

PUZZLES = "puzzles.jsonl"  # in the folder of puzzles that were drawn
ASKED_FOR = "traces.jsonl"  # in the folder of traces that an endpoint wrote
REDRAW = "draw it again with `the-experiment traces generate`, or write prompt and completion"
MOST_NAMED = 3  # rows that leak
ABOUT = ("kind", "naming", "size", "graph", "component", "answer")  # what a row keeps of its puzzle
SHARED = {"graph": "has the graph of", "component": "asks about the same causes as"}
Side = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class TraceRow:
    """A prompt and its completion with a trace, and where they are from."""

    prompt: str
    completion: str
    columns: dict[str, Any]  # the row as it was read
    where: str  # file and line

    @property
    def graph(self) -> str:
        """What is kept together in a split: the graph's shape; of other texts, the prompt."""
        return str(self.columns.get("graph") or normalized(self.prompt))

    @property
    def component(self) -> str:
        """The part of the graph that alone decides the answer; nothing where all may matter."""
        return str(self.columns.get("component") or "")

    @property
    def about(self) -> dict[str, Any]:
        """What is known of the puzzle."""
        return {name: self.columns[name] for name in ABOUT if name in self.columns}


def read_traces(path: Path) -> list[TraceRow]:
    """The rows of a file, or of a folder of puzzles or of traces that were asked for, in order.

    A row is a puzzle, or has a prompt, a completion with `<think>…</think>` and an answer after it
    (in any form that `data.formats` reads), and perhaps a `graph`. Raises `ExperimentError`, with
    the number of the line, for one that is torn, lacks a column, or is empty where a text should
    be; and for a file without rows.
    """
    kept = (path / name for name in (ASKED_FOR, PUZZLES))
    path = next((file for file in kept if file.is_file()), path)
    rows = [one for where, row in read_table(path).placed() for one in _rows(row, where)]
    if not rows:
        raise ExperimentError(f"{path} has no rows", "write some into it")
    return rows


def _rows(row: Row, where: str) -> list[TraceRow]:
    if "question" in row and "prompt" not in row:
        puzzle = puzzle_in(row, where, REDRAW)
        return [TraceRow(prompt_of(puzzle), completion_of(puzzle), row, where)]
    return [_traced(one, where) for one in completed(row, where)]


def _traced(row: Row, where: str) -> TraceRow:
    for name in ("prompt", "completion"):
        if not row[name].strip():
            raise ExperimentError(f"{where} has an empty {name}", "write a text, or remove it")
    trace, closed, answer = row["completion"].rpartition(CLOSED)
    if not closed or "<think>" not in trace or not answer.strip():
        raise ExperimentError(
            f"{where} has no <think>…</think> with an answer after it",
            "write both into its completion, or remove it",
        )
    return TraceRow(row["prompt"], row["completion"], row, where)


def puzzle_in(row: Mapping[str, Any], where: str, hint: str) -> Puzzle:
    """The puzzle that is this row of a file. Raises `ExperimentError` for one that is none."""
    try:
        return Puzzle.model_validate(row)
    except ValidationError as error:
        raise ExperimentError(f"{where} is not a puzzle: {first_problem(error)}", hint) from None


def refuse_long(
    rows: Sequence[TraceRow], longest: int, length: Callable[[str], int], unit: str
) -> None:
    """Raise `ExperimentError` that names the first row with more than `longest` tokens, say."""
    for row in rows:
        found = length(row.prompt + row.completion)
        if found > longest:
            raise ExperimentError(
                f"{row.where} has {found} {unit}, more than {longest}",
                "shorten or remove it, or raise --longest",
            )


def side_of(graph: str, seed: int, valid: float, test: float) -> Side:
    """Where all rows of a graph go, whatever others there are: a share of graphs each, by hash.

    >>> [side_of(graph, 0, valid=0.3, test=0.3) for graph in "abcd"]
    ['test', 'valid', 'test', 'train']
    """
    place = derived_seed(seed, "side", graph) / 2**64
    return "valid" if place < valid else "test" if place < valid + test else "train"


def refuse_leaks(rows: Sequence[TraceRow], evaluation: Path) -> None:
    """Raise `ExperimentError` naming rows whose question or shape is in an evaluation set.

    That is a file of puzzles, or of rows with a `question` or `prompt`, and perhaps a `graph` and a
    `component` of it.
    """
    found = list(_leaks(rows, evaluation))
    if found:
        more = f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise ExperimentError(
            f"{len(found)} of {len(rows)} rows leak from {evaluation}: "
            f"{'; '.join(found[:MOST_NAMED])}{more}",
            "remove them, or draw one of the two `--without` the other",
        )


def _leaks(rows: Sequence[TraceRow], evaluation: Path) -> Iterator[str]:
    questions: dict[str, int] = {}
    lines: dict[str, int] = {}  # by shape
    for number, (asked, shapes) in enumerate(questions_in(evaluation), start=1):
        questions.setdefault(normalized(asked), number)
        for shape in shapes:
            lines.setdefault(shape, number)
    for row in rows:
        if number := questions.get(normalized(row.prompt), 0):
            yield f"{row.where} repeats the question of line {number}"
            continue
        shared = [(told, lines.get(row.columns.get(name, ""), 0)) for name, told in SHARED.items()]
        yield from [f"{row.where} {told} line {number}" for told, number in shared if number][:1]


def questions_in(path: Path) -> list[tuple[str, set[str]]]:
    """The question and the shapes (or none) of each row of any file of questions."""
    path = path / PUZZLES if (path / PUZZLES).is_file() else path
    rows = []
    for where, row in read_table(path).placed():
        asked = row.get("question", row.get("prompt"))
        if not isinstance(asked, str):
            raise ExperimentError(f"{where} has no text 'question' or 'prompt'")
        rows.append((asked, {str(row[name]) for name in SHARED if row.get(name)}))
    return rows


def normalized(text: str) -> str:
    """A text without what makes no other question of it: capitals, and how blanks are set.

    >>> normalized("What is  W?\\n") == normalized("what is W?")
    True
    """
    return " ".join(text.lower().split())
