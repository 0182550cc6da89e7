"""Putting puzzles to models: one file of answers for each model and set, landed whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from loguru import logger
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, read_jsonl, write_json
from the_experiment.base.names import name_from
from the_experiment.data.trace_rows import PUZZLES, puzzle_in
from the_experiment.worlds.causal.puzzle import Puzzle
from the_experiment.worlds.causal.writing import is_right, prompt_of

CELLS = "cells"
MAX_NEW_TOKENS = 512
MEND = "give the folder of puzzles that `the-experiment traces generate` drew, or its test.jsonl"


class Answer(BaseModel):
    """What a model wrote after a puzzle, and whether it ends in the right answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    written: str
    right: bool


ANSWERS: TypeAdapter[list[Answer]] = TypeAdapter(list[Answer])


@dataclass(frozen=True)
class PuzzleSet:
    """Puzzles under a name."""

    name: str
    puzzles: list[Puzzle]


def read_puzzles(path: Path, name: str) -> PuzzleSet:
    """The puzzles of a file, or of a folder of them. Raises `ExperimentError` with the line."""
    path = path / PUZZLES if path.is_dir() else path
    if not path.is_file():
        raise ExperimentError(f"there are no puzzles in {path}", MEND)
    puzzles = [
        puzzle_in(row, f"{path}, line {number}", MEND)
        for number, row in enumerate(read_jsonl(path), start=1)
    ]
    if not puzzles:
        raise ExperimentError(f"{path} has no puzzles", MEND)
    return PuzzleSet(name, puzzles)


def answers_of(
    model: str, asked: PuzzleSet, folder: Path, out: Path, max_new_tokens: int = MAX_NEW_TOKENS
) -> list[Answer]:
    """The model's answers, greedily; those that are in `folder` already are not asked for again.

    Raises `ExperimentError` for a model that there is not, and a puzzle that it has no room for.
    """
    told = [str(max_new_tokens), *(puzzle.model_dump_json() for puzzle in asked.puzzles)]
    place = folder / CELLS / cell_name(model, asked.name, told, out)
    if place.is_file():
        kept = _kept(place, len(asked.puzzles))
        if kept is not None:
            return kept
        logger.warning("{} is not whole, so its puzzles are asked again", place)
    texts = _written(model, asked.puzzles, out, max_new_tokens)
    answers = [
        Answer(written=text, right=is_right(puzzle, text))
        for puzzle, text in zip(asked.puzzles, texts, strict=True)
    ]
    write_json(place, ANSWERS.dump_python(answers, mode="json"))
    return answers


def cell_name(model: str, asked: str, told: Sequence[str], out: Path) -> str:
    """A readable file name with a fingerprint of the weights and of all else answers depend on."""
    from the_experiment.models.pretrained import find_model, which_weights

    weights = which_weights(find_model(model, out))
    fingerprint = hashlib.sha256("\n".join([weights, version("the-experiment"), *told]).encode())
    words = name_from(f"{Path(model).name}-{asked}", otherwise="answers")[:50]
    return f"{words}-{fingerprint.hexdigest()[:8]}.json"


def _kept(place: Path, number: int) -> list[Answer] | None:
    try:
        answers = ANSWERS.validate_python(read_json(place))
    except (ExperimentError, ValidationError):
        return None
    return answers if len(answers) == number else None


def _written(model: str, puzzles: Sequence[Puzzle], out: Path, max_new_tokens: int) -> list[str]:
    """What it writes; a model with too few positions for so many tokens writes fewer."""
    from the_experiment.models.asking import asked_text
    from the_experiment.models.decoding import greedy
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.models.scoring import room
    from the_experiment.models.texts import prompt_ids

    loaded, tokenizer = load_pretrained(model, out=out)
    prompts = [asked_text(tokenizer, prompt_of(puzzle)) for puzzle in puzzles]
    positions, longest = room(loaded), max(len(prompt_ids(tokenizer, one)) for one in prompts)
    most = max_new_tokens if positions is None else min(max_new_tokens, positions + 1 - longest)
    if most < 1:
        raise ExperimentError(
            f"a question of {longest} tokens has no room in the {positions} positions of {model}",
            "ask shorter ones, or a model with more positions",
        )
    return greedy(loaded, tokenizer, prompts, most)
