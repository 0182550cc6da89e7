"""Lessons: what a model is taught before it is asked as in the experiment.

One answer a program says little of how names are matched. A lesson asks about a program many times
over; the first one gives every line a digit of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from string import digits
from typing import TYPE_CHECKING

import numpy as np

from the_experiment.base.files import read_jsonl, write_text
from the_experiment.base.seeds import derived_seed
from the_experiment.data.folder import DatasetFolder
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.experiments.dynamics.config import Lesson, Scale
from the_experiment.worlds import World
from the_experiment.worlds.generators import Random, one_of
from the_experiment.worlds.programs.interpreter import variables_of

if TYPE_CHECKING:
    from the_experiment.models.architectures import Shape

Row = dict[str, str]  # `prompt` and `completion`


def lesson_rows(
    programs: Iterable[str], questions: int, rng: Random, *, references: bool
) -> Iterator[Row]:
    """Each program, then so many questions about its variables, which can come again, answered.

    Without `references` every line gets a digit of its own.

    >>> rng = np.random.RandomState(0)
    >>> list(lesson_rows(["a=1\\nb=a\\n#b:"], 2, rng, references=True))
    [{'prompt': 'a=1\\nb=a\\n', 'completion': '#b:1\\n#b:1'}]
    >>> list(lesson_rows(["a=1\\nb=a\\n#b:"], 1, rng, references=False))
    [{'prompt': 'a=6\\nb=5\\n', 'completion': '#a:6'}]
    """
    for program in programs:
        body = program[: program.rindex("#")]
        told = body if references else _with_digits(body, rng)
        values = variables_of(told)
        asked = [one_of(rng, list(values)) for _ in range(questions)]
        answers = "\n".join(f"#{name}:{values[name]}" for name in asked)
        yield {"prompt": told, "completion": answers}


def _with_digits(body: str, rng: Random) -> str:
    """The same lines, each with a digit at random."""
    names = [line.partition("=")[0] for line in body.splitlines()]
    return "".join(f"{name}={one_of(rng, digits)}\n" for name in names)


def write_lesson(lesson: Lesson, data: DatasetFolder, seed: int, path: Path) -> Path:
    """The rows of a lesson, about programs that are trained on anyway, in the file `path`."""
    if not path.is_file():
        rng = np.random.RandomState(derived_seed(seed, "lesson", path.name) % 2**32)
        seen = (row["prompt"] for row in read_jsonl(data.path / "train.jsonl"))
        programs = islice(cycle(seen), lesson.rows)
        rows = lesson_rows(programs, lesson.questions, rng, references=lesson.references)
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_start(scale: Scale, world: World, seed: int, path: Path) -> Path:
    """The model as it is before the first lesson, with its tokenizer, in the folder `path`."""
    from the_experiment.models.loading import write_untrained

    tokenizer = character_tokenizer(world.alphabet)
    shape = _shape(scale, world, len(tokenizer))
    return write_untrained(scale.architecture, shape, tokenizer, seed, path)


def _shape(scale: Scale, world: World, tokens: int) -> Shape:
    """Of GPT-2, with room for all questions of a lesson."""
    from the_experiment.models.architectures import Shape, positions_for

    answered = len("#n:5\n")
    questions = max((lesson.questions for lesson in scale.lessons), default=0)
    longest = world.longest + questions * answered
    return Shape(tokens, positions_for(longest), scale.width, scale.layers, scale.heads)
