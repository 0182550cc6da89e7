"""Putting puzzles to models: a cell for each model and set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_jsonl
from the_experiment.base.strict import Strict
from the_experiment.data.trace_rows import PUZZLES, puzzle_in
from the_experiment.engine.cell import Cell
from the_experiment.engine.store import CELLS, Store
from the_experiment.worlds.causal.puzzle import Puzzle
from the_experiment.worlds.causal.writing import is_bare_answer, is_right, prompt_of

MAX_NEW_TOKENS = 512
HINT = "give the folder of puzzles that `the-experiment traces generate` drew, or its test.jsonl"


class TraceAnswer(Strict):
    """What a model wrote after a puzzle, whether that is right, and a bare answer as asked for.

    `bare` is None where it was kept before that was looked at.
    """

    written: str
    right: bool
    bare: bool | None = None


@dataclass(frozen=True)
class PuzzleSet:
    """Puzzles under a name."""

    name: str
    puzzles: list[Puzzle]

    def graded(self, texts: Sequence[str]) -> list[TraceAnswer]:
        """What was written to each puzzle, and whether it is right."""
        return [
            TraceAnswer(
                written=text, right=is_right(puzzle, text), bare=is_bare_answer(puzzle, text)
            )
            for puzzle, text in zip(self.puzzles, texts, strict=True)
        ]


def read_puzzles(path: Path, name: str) -> PuzzleSet:
    """The puzzles of a file, or of a folder of them. Raises `ExperimentError` with the line."""
    path = path / PUZZLES if path.is_dir() else path
    if not path.is_file():
        raise ExperimentError(f"there are no puzzles in {path}", HINT)
    puzzles = [
        puzzle_in(row, f"{path}, line {number}", HINT)
        for number, row in enumerate(read_jsonl(path), start=1)
    ]
    if not puzzles:
        raise ExperimentError(f"{path} has no puzzles", HINT)
    return PuzzleSet(name, puzzles)


def answers_of(
    model: str, asked: PuzzleSet, folder: Path, out: Path, max_new_tokens: int = MAX_NEW_TOKENS
) -> list[TraceAnswer]:
    """The model's answers, greedily; those that are in `folder` already are not asked for again.

    Raises `ExperimentError` for a model that there is not, and a puzzle that it has no room for.
    """
    cell = model_cell(
        f"{Path(model).name} {asked.name}",
        "the_experiment.experiments.traces.asking_models:texts_of",
        model,
        {
            "puzzles": [puzzle.model_dump(mode="json") for puzzle in asked.puzzles],
            "max_new_tokens": max_new_tokens,
        },
        out,
    )
    texts = Store(folder / CELLS).result(
        cell, lambda: texts_of(model, asked.puzzles, out, max_new_tokens)
    )
    return asked.graded(texts)


def model_cell(
    name: str, function: str, model: str, arguments: Mapping[str, Any], out: Path
) -> Cell:
    """A cell that depends on a model's weights, wherever they lie."""
    from the_experiment.models.pretrained import find_model, which_weights

    weights = which_weights(find_model(model, out))
    return Cell(name, function, {"weights": weights, **arguments})


def texts_of(model: str, puzzles: Sequence[Puzzle], out: Path, max_new_tokens: int) -> list[str]:
    """What it writes; a model with too few positions for so many tokens writes fewer."""
    from the_experiment.models.asking import prompt_text
    from the_experiment.models.decoding import greedy
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.models.scoring import max_positions
    from the_experiment.models.texts import prompt_ids

    loaded, tokenizer = load_pretrained(model, out=out)
    prompts = [prompt_text(tokenizer, prompt_of(puzzle)) for puzzle in puzzles]
    positions, longest = (
        max_positions(loaded),
        max(len(prompt_ids(tokenizer, one)) for one in prompts),
    )
    most = max_new_tokens if positions is None else min(max_new_tokens, positions + 1 - longest)
    if most < 1:
        raise ExperimentError(
            f"a question of {longest} tokens exceeds the context length of {model}, {positions}",
            "ask shorter ones, or use a model with a longer context",
        )
    return greedy(loaded, tokenizer, prompts, most)
