"""What version 0.1 left in a folder works on: data, a trained model, a card, and its imports."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import Command

LEFT = Path(__file__).parent / "workspace-0.1"  # written by that version


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    shutil.copytree(LEFT, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_model_is_tested_compared_and_looked_into(
    workspace: Path, the_experiment: Command
) -> None:
    for words in (
        ("test", "101"),
        ("compare",),
        ("inspect", "101", "--model", "old"),
        ("programs", "run", "mine", "--model", "old", "--lengths", "2", "--num-seqs", "2"),
    ):
        done = the_experiment(*words)
        assert done.returncode == 0, (words, done.stderr)
    assert (workspace / "out" / "old" / "run.json").read_bytes() == (
        LEFT / "out" / "old" / "run.json"
    ).read_bytes()


def test_a_card_replays(workspace: Path, the_experiment: Command) -> None:
    (card,) = workspace.rglob("card.json")
    done = the_experiment("replay", str(card))
    assert done.returncode == 0, done.stderr
    assert "the same figures" in done.stdout


def test_its_data_are_trained_on_and_its_words_taken(
    workspace: Path, the_experiment: Command
) -> None:
    small = ("--width", "16", "--layers", "1", "--heads", "2", "--epochs", "1")
    assert the_experiment("train", "gpt2", "--name", "new", *small).returncode == 0
    assert the_experiment("train", "gpt2", "--name", "old", "--resume").returncode == 1
    resumed = the_experiment("train", "gpt2", "--name", "old", "--resume", *small[:-1], "2")
    assert resumed.returncode == 0, resumed.stderr
    assert "is already complete" in resumed.stderr
    words = ("generate", "-w", "three-bits.yaml", "--omit-fraction", "0.25", "--train-size", "64")
    assert the_experiment(*words, "--out", "again").returncode == 0
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
