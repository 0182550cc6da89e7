"""One run of several that is unfinished or torn: it is left out and told, the others are asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.evaluation.answers import answer
from the_experiment.evaluation.compare import compare
from the_experiment.evaluation.trained import trained_models
from the_experiment.inside.subject import find_subjects

HARMED = "tiny-cnn-three-bits"
OTHERS = ["tiny-gpt2-three-bits", "tiny-rnn-three-bits"]


def cut(path: Path) -> None:
    """As a full disk, or a copy that broke off, leaves a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


TORN: dict[str, Callable[[Path], object]] = {
    "record": lambda run: cut(run / "run.json"),
    "data": lambda run: cut(run / "dataset.json"),
    "foreign data": lambda run: (run / "dataset.json").write_text("{}"),
    "weights": lambda run: cut(run / "final" / "model.safetensors"),
    "no weights": lambda run: (run / "final" / "model.safetensors").unlink(),
    "configuration": lambda run: cut(run / "final" / "config.json"),
    "tokenizer": lambda run: cut(run / "final" / "tokenizer.json"),
    "no model": lambda run: shutil.rmtree(run / "final"),
}
HARMS = {"unfinished": lambda run: (run / "run.json").unlink(), **TORN}


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The warnings."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(line.strip()), format="{message}", level="WARNING")
    yield lines
    logger.remove(sink)


@pytest.fixture
def out(trained: Path, tmp_path: Path) -> Path:
    """GPT-2, RNN and CNN, to be harmed."""
    return Path(shutil.copytree(trained, tmp_path / "out"))


def is_told(line: str, harm: str) -> bool:
    hint = "train` with --resume" if harm == "unfinished" else "run `the-experiment train` again"
    return line.startswith(f"{HARMED} is left out: ") and line.endswith(hint)


@pytest.mark.parametrize("harm", HARMS)
def test_the_others_are_compared_and_tested(out: Path, harm: str, said: list[str]) -> None:
    HARMS[harm](out / HARMED)
    (comparison,) = compare(trained_models(out))
    assert [one.name for one in comparison.contestants if one.is_model] == OTHERS
    assert [one.model for one in answer("001", trained_models(out)).models] == OTHERS
    assert len(said) == 2
    assert all(is_told(line, harm) for line in said), said


@pytest.mark.parametrize("harm", HARMS)
def test_the_others_are_looked_into(out: Path, harm: str, said: list[str]) -> None:
    HARMS[harm](out / HARMED)
    assert [one.name for one in find_subjects(["tiny-*"], out)] == OTHERS
    assert len(said) == 1
    assert is_told(said[0], harm), said


@pytest.mark.parametrize("harm", TORN)
def test_alone_it_is_an_error(out: Path, harm: str) -> None:
    for name in OTHERS:
        shutil.rmtree(out / name)
    HARMS[harm](out / HARMED)
    for find in (trained_models, lambda out: find_subjects(["*"], out)):
        with pytest.raises(ExperimentError, match="run `the-experiment train` again"):
            find(out)


@pytest.mark.parametrize("harm", HARMS)
def test_named_it_is_an_error(out: Path, harm: str) -> None:
    HARMS[harm](out / HARMED)
    says = "has not finished" if harm == "unfinished" else "run `the-experiment train` again"
    with pytest.raises((ExperimentError, UsageError), match=says):
        find_subjects([*OTHERS, HARMED], out)
