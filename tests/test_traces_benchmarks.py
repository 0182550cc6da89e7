"""Benchmarks through lm-eval: its own tasks over files laid where the hub's would be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import datasets
import pytest

from looked_into import random_model
from the_experiment.base.errors import ExperimentError
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.traces import benchmarks, evaluate
from the_experiment.experiments.traces.analysis import outcome_of, set_table
from the_experiment.experiments.traces.asking_models import PuzzleSet, TraceAnswer
from the_experiment.experiments.traces.benchmarks import (
    Harness,
    benchmarked,
    harness_model,
    through_lm_eval,
)
from the_experiment.experiments.traces.results import TraceResults
from the_experiment.report.outcome import write_outcome
from the_experiment.worlds.causal.drawing import draw_puzzles
from the_experiment.worlds.causal.writing import prompt_of

WRITTEN = [" 2 + 2 = 4\n#### 4", " 2 + 3 = 5, so 5 it is", "\n#### 7"]  # after sums of 4, 5 and 6
PUZZLES = draw_puzzles(3, seed=5, sizes=[4])


class Canned:
    """Writes what is in `WRITTEN`, and holds (B) the likeliest of all choices."""

    asked = 0

    def generate_until(self, requests: list[Any]) -> list[str]:
        self.asked += len(requests)
        return [WRITTEN[request.doc_id] for request in requests]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        self.asked += len(requests)
        return [(-1.0 if request.args[1].strip() == "(B)" else -9.0, False) for request in requests]

    loglikelihood_rolling = None


def laid(folder: Path, split: Mapping[str, Sequence[object]], configuration: str) -> None:
    """A data set as it is on the hub: files by split, and a page that names them."""
    folder.mkdir(parents=True)
    for name, rows in split.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines)
    files = "".join(f"  - {{split: {name}, path: {name}.jsonl}}\n" for name in split)
    page = f"---\nconfigs:\n- config_name: {configuration}\n  data_files:\n{files}---\n"
    (folder / "README.md").write_text(page)


@pytest.fixture
def canned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Canned:
    """What lm-eval asks in place of the model in `mine/`, beside both benchmarks' questions."""
    from lm_eval.api.model import LM

    sums = [
        {"question": f"How much is 2 + {n}?", "answer": f"It is {n + 2}.\n#### {n + 2}"}
        for n in range(2, 9)
    ]
    laid(tmp_path / "openai" / "gsm8k", {"train": sums, "test": sums[:3]}, "main")
    question = {"Question": "Which?", "Correct Answer": "this"}
    question |= {f"Incorrect Answer {n}": f"that {n}" for n in (1, 2, 3)}
    laid(tmp_path / "Idavidrein" / "gpqa", {"train": [question] * 40}, "gpqa_diamond")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    model: Canned = type("CannedModel", (Canned, LM), {})()
    asked_by = Harness(model, chat=False, max_new_tokens=8)
    monkeypatch.setattr(benchmarks, "harness_model", lambda *_: asked_by)
    tokenizer = character_tokenizer("abc")
    random_model("llama", len(tokenizer)).save_pretrained("mine")
    tokenizer.save_pretrained("mine")
    return model


def test_gsm8k_is_graded_strictly_and_by_the_last_number(canned: Canned) -> None:
    right = benchmarked("mine", "gsm8k", Path("results"), Path("out"))
    assert right == {
        "gsm8k strict": [True, False, False],
        "gsm8k last number": [True, True, False],
    }
    assert benchmarked("mine", "gsm8k", Path("results"), Path("out")) == right
    assert canned.asked == 3  # once
    some = benchmarked("mine", "gsm8k", Path("results"), Path("out"), limit=2)
    assert some["gsm8k last number"] == [True, True]


@pytest.mark.slow
@pytest.mark.usefixtures("canned")
def test_gpqas_choices_stand_in_the_same_order_for_every_model() -> None:
    right = benchmarked("mine", "gpqa_diamond", Path("one"), Path("out"))["gpqa_diamond"]
    assert len(right) == 40
    assert any(right)  # where the right one is (B)
    assert not all(right)
    assert benchmarked("mine", "gpqa_diamond", Path("two"), Path("out")) == {"gpqa_diamond": right}


@pytest.mark.usefixtures("canned")
def test_questions_that_cannot_be_fetched_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("nothing answers")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(ExperimentError, match=r"gsm8k can't be fetched: nothing answers") as told:
        benchmarked("mine", "gsm8k", Path("results"), Path("out"))
    assert "answers are kept" in told.value.hint


def test_what_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("the_experiment.base.errors.find_spec", lambda _: None)
    monkeypatch.setattr(benchmarks, "version", missing)
    with pytest.raises(ExperimentError, match="not installed: lm_eval"):
        benchmarked("mine", "gsm8k", tmp_path, tmp_path)


def test_benchmarks_are_in_the_report_with_intervals_and_paired_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_or_none(model: str, benchmark: str, *_: object) -> dict[str, list[bool]]:
        if benchmark == "gpqa_diamond":
            raise ExperimentError("it wants a login")
        return {benchmark: [model == "tuned"] * 20}

    monkeypatch.setattr(evaluate, "benchmarked", all_or_none)
    answers = {
        name: {"some": [TraceAnswer(written="", right=True)] * 3} for name in ("base", "tuned")
    }
    before = TraceResults([PuzzleSet("some", PUZZLES)], answers)
    models = {"base": "base", "tuned": "tuned"}
    with pytest.raises(ExperimentError, match="login"):
        evaluate.with_benchmarks(before, models, ["gsm8k", "gpqa_diamond"], tmp_path, tmp_path)
    results = TraceResults.read(tmp_path / evaluate.ANSWERED)  # the one that could be had
    table = set_table(results)
    column = [row[2] for row in (table.columns, *table.rows)]
    assert column == ["gsm8k", str(Rate(0, 20)), str(Rate(20, 20)), ""]
    assert any(
        told.startswith("gsm8k: tuned 1.0 [") and "above base, beyond chance" in told
        for told in results.sentences()
    )
    assert results.as_json()["benchmarks"]["gsm8k"]["tuned"]["k"] == 20
    assert "gsm8k, n = 20" in write_outcome(outcome_of(results, "mine"), tmp_path).read_text()


@pytest.mark.slow
def test_a_model_is_asked_in_its_template_for_what_it_has_room_for(tmp_path: Path) -> None:
    characters = "".join(sorted({*"".join(map(prompt_of, PUZZLES)), *"<user>"}))
    tokenizer = character_tokenizer(characters)
    model = random_model("llama", len(tokenizer))
    model.config.max_position_embeddings = 400
    for name, template in (("plain", None), ("chat", "<user>{{ messages[0]['content'] }}")):
        tokenizer.chat_template = template
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    asked = PuzzleSet("some", PUZZLES)
    for name, opening in (("plain", ""), ("chat", "<user>")):
        asked_by = harness_model(str(tmp_path / name), tmp_path, max_new_tokens=5)
        assert asked_by.chat == (name == "chat")
        prompts: list[str] = []
        generate = asked_by.model.generate_until

        def kept(requests: list[Any], told: list[str] = prompts, ask: Any = generate) -> Any:
            told += [request.args[0] for request in requests]
            assert all(request.args[1]["max_gen_toks"] == 5 for request in requests)
            return ask(requests)

        asked_by.model.generate_until = kept
        assert through_lm_eval(asked_by, asked).n == len(PUZZLES)
        assert prompts == [opening + prompt_of(puzzle) for puzzle in PUZZLES]
    roomy = harness_model(str(tmp_path / "plain"), tmp_path, max_new_tokens=512)
    assert roomy.max_new_tokens == 200
    assert through_lm_eval(roomy, asked).n == len(PUZZLES)
