"""What version 0.1 left in a folder works on: data, a trained model, a card, and its imports."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from test_inside_verbs import said

LEFT = Path(__file__).parent / "workspace-0.1"  # written by that version


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which the command is called."""
    shutil.copytree(LEFT, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_tested_compared_and_looked_into(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ("test", "101"),
        ("compare",),
        ("inspect", "101", "--model", "old"),
        ("programs", "run", "mine", "--model", "old", "--lengths", "2", "--num-seqs", "2"),
    ):
        said(capsys, *words)
    assert (workspace / "out" / "old" / "run.json").read_bytes() == (
        LEFT / "out" / "old" / "run.json"
    ).read_bytes()


def test_a_card_replays(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (card,) = workspace.rglob("card.json")
    assert "the same figures" in said(capsys, "replay", str(card))[0]


def test_its_data_are_trained_on_and_its_words_taken(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--width", "16", "--layers", "1", "--heads", "2", "--epochs", "1")
    said(capsys, "train", "gpt2", "--name", "new", *small)
    said(capsys, "train", "gpt2", "--name", "old", "--resume", code=1)
    _, resumed = said(capsys, "train", "gpt2", "--name", "old", "--resume", *small[:-1], "2")
    assert "is already complete" in resumed
    words = ("generate", "-w", "three-bits.yaml", "--omit-fraction", "0.25", "--train-size", "64")
    said(capsys, *words, "--out", "again")
    written = {path.name: path.read_bytes() for path in (workspace / "again").glob("train.jsonl")}
    assert written["train.jsonl"] == (LEFT / "dataset" / "train.jsonl").read_bytes()


def test_a_model_is_one_of_transformers(workspace: Path) -> None:
    final = workspace / "out" / "old" / "final"
    model = AutoModelForCausalLM.from_pretrained(final)
    assert model.config.n_embd == 16
    assert AutoTokenizer.from_pretrained(final)("101=11\n").input_ids


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("programs", "ExperimentRunner"),
        ("programs", "quick_experiment"),
        ("programs.causal_experiment_runner", "CausalExperimentRunner"),
        ("programs.causal_tracing", "create_counterfactual_program"),
        ("programs.causal_tracing", "find_rng_seeds"),
        ("programs.token_analyzer", "TokenAnalyzer"),
        ("inside.edits", "Edit"),
        ("inside.opened", "Opened"),
        ("inside.sites", "Site"),
        ("inside.sweep", "Trial"),
        ("inside.validation", "validated"),
        ("base.runs", "Run"),
        ("training.config", "TrainConfig"),
        ("training.loop", "train"),
        ("worlds", "find_world"),
    ],
)
def test_documented_imports_work(module: str, name: str) -> None:
    assert getattr(importlib.import_module(f"the_experiment.{module}"), name)
