"""Traces from rows to a report: the base's texts, arms, answers graded twice, and what they say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from looked_into import random_model
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.runs import Run
from the_experiment.data.plain_texts import packed, plain_texts
from the_experiment.data.tokenizer import character_tokenizer, subword_tokenizer
from the_experiment.data.traces import ARMS, Preparation, prepared
from the_experiment.engine.store import Store
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.declaration import find_experiment
from the_experiment.experiments.running import run
from the_experiment.experiments.traces.analysis import (
    PUBLISHED,
    outcome_of,
    published_table,
    set_table,
)
from the_experiment.experiments.traces.asking_models import PuzzleSet, TraceAnswer, answers_of
from the_experiment.experiments.traces.benchmarks import Harness, through_lm_eval
from the_experiment.experiments.traces.chat import coloured
from the_experiment.experiments.traces.config import (
    BaseScale,
    TraceScale,
    TracesExperiment,
    small_lfm2,
)
from the_experiment.experiments.traces.evaluate import named, named_sets, results_folder
from the_experiment.experiments.traces.results import COMMONEST, TraceResults
from the_experiment.experiments.traces.tuned import TuneRequest, tune_arms
from the_experiment.report.outcome import write_outcome
from the_experiment.worlds.causal.drawing import draw_puzzles
from the_experiment.worlds.causal.puzzle import Puzzle
from the_experiment.worlds.causal.writing import completion_of, is_right, prompt_of

PUZZLES = draw_puzzles(24, seed=5, sizes=[4])
TINY = TraceScale(
    puzzles=150,
    sizes=(4, 5),
    longer=(6,),
    asked=18,
    base=BaseScale(puzzles=150, architecture=small_lfm2(width=32, blocks=1), batch_size=8),
    tune={"lora_rank": 2, "lora_alpha": 4, "precision": "fp32"},
)


def answered(right: Sequence[bool]) -> list[TraceAnswer]:
    return [TraceAnswer(written="", right=one) for one in right]


# -- what the base reads -------------------------------------------------------------------------


def test_the_base_reads_answers_and_links_and_no_reasoning() -> None:
    texts = plain_texts(PUZZLES, seed=1)
    assert len(texts) == len(PUZZLES) + len(PUZZLES) // 4 + len(PUZZLES) // 8
    assert texts != plain_texts(PUZZLES, seed=2)
    for puzzle in PUZZLES:
        assert any(text.startswith(f"Describe: {prompt_of(puzzle)}Told: ") for text in texts)
    assert sum(prompt_of(one) + one.answer in texts for one in PUZZLES) == len(PUZZLES) // 4
    words = [text for text in texts if text.startswith("Words: ")]
    assert all("<think>" in text for text in words)
    assert not any("So " in text for text in {*texts} - {*words})
    whole = [part for puzzle in PUZZLES for part in (puzzle.think, puzzle.causality)]
    assert not any(part in text for text in texts for part in whole)  # words are out of order


@given(st.lists(st.text("ab", min_size=1, max_size=9), min_size=1), st.integers(5, 40))
def test_packing_keeps_every_text_in_order_and_no_row_too_long(
    texts: list[str], longest: int
) -> None:
    rows = list(packed(texts, longest))
    assert "\n\n".join(rows).split("\n\n") == texts
    assert all(len(row) <= longest or row in texts for row in rows)


def test_the_bases_tokenizer_writes_any_text_in_fewer_tokens_than_characters() -> None:
    texts = plain_texts(PUZZLES, seed=1)
    tokenizer = subword_tokenizer(texts, 400)
    for text in (*texts, "Für „9“?\n\t→"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer("".join(texts))["input_ids"]) < len("".join(texts)) / 2


# -- answers, and what they say ------------------------------------------------------------------


def test_answers_are_graded_kept_and_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = character_tokenizer("".join(sorted({*"".join(p.question for p in PUZZLES), "\n"})))
    model = random_model("llama", len(tokenizer))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    asked = PuzzleSet("some", PUZZLES)
    first = answers_of(str(tmp_path / "model"), asked, tmp_path, tmp_path, max_new_tokens=2)
    assert [one.right for one in first] == [
        is_right(puzzle, one.written) for puzzle, one in zip(PUZZLES, first, strict=True)
    ]
    (cell,) = (tmp_path / "cells").glob("*.json")
    cell.write_text(cell.read_text()[:-20])  # torn
    assert answers_of(str(tmp_path / "model"), asked, tmp_path, tmp_path, 2) == first
    others = [one.model_copy(update={"answer": "neither"}) for one in PUZZLES]
    graded = answers_of(str(tmp_path / "model"), PuzzleSet("some", others), tmp_path, tmp_path, 2)
    assert not any(one.right for one in graded)
    monkeypatch.setattr("the_experiment.models.pretrained.load_pretrained", None)
    assert answers_of(str(tmp_path / "model"), asked, tmp_path, tmp_path, 2) == first


def test_a_gain_is_told_with_its_interval_and_whether_it_is_noise(tmp_path: Path) -> None:
    n = len(PUZZLES)
    results = TraceResults(
        [PuzzleSet("some", PUZZLES)],
        {
            "base": {"some": answered([False] * n)},
            "causal": {"some": answered([True] * (n - 2) + [False] * 2)},
            "format": {"some": answered([True] * (n - 3) + [False] * 3)},
        },
    )
    over = {gain.other: gain for gain in results.gains}
    assert over["base"].drop.drop == (n - 2) / n
    assert over["base"].drop.beyond_chance
    assert not over["format"].drop.beyond_chance
    assert "above base, beyond chance" in over["base"].sentence()
    assert "above format, inside the noise" in over["format"].sentence()
    table = set_table(results)
    rows = table.rows
    assert table.columns == ["right", "some"]
    assert [row[0] for row in rows] == ["base", "causal", "format", COMMONEST]
    assert rows[1][1] == str(Rate(n - 2, n))
    results.write(tmp_path / "answers.json")
    assert TraceResults.read(tmp_path / "answers.json") == results
    page = write_outcome(outcome_of(results, "mine"), tmp_path).read_text()
    assert "inside the noise" in page
    assert (tmp_path / "traces.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "answers.json").write_text("{}")
    with pytest.raises(ExperimentError, match="holds no answers"):
        TraceResults.read(tmp_path / "answers.json")


def test_a_right_answer_is_told_from_one_that_follows_from_its_derivation() -> None:
    whole = [TraceAnswer(written=completion_of(one), right=True) for one in PUZZLES[:5]]
    answers = {"base": {"some": answered([False] * len(PUZZLES))}}
    answers["causal"] = {"some": [*whole, *answered([True] * 3 + [False] * (len(PUZZLES) - 8))]}
    results = TraceResults([PuzzleSet("some", PUZZLES)], answers)
    (derived,) = results.derived
    n = len(PUZZLES)
    assert derived.whole == Rate(5, n)
    assert (derived.right, derived.otherwise) == (Rate(5, 5), Rate(3, n - 5))
    assert f"causal has the whole derivation right in 5/{n}" in results.sentences()[0]
    assert results.as_json()["derived"][0]["whole"]["n"] == n


@pytest.mark.parametrize(
    ("bare", "right", "says"),
    [
        ((0, 1), (0, 0), "form gained, content did not beyond chance"),
        ((0, 1), (0, 1), "form and content gained"),
        ((1, 1), (0, 1), "content gained, form did not"),
        ((1, 1), (1, 1), "neither gained beyond chance"),
    ],
)
def test_form_and_content_are_told_apart(
    bare: tuple[int, int], right: tuple[int, int], says: str
) -> None:
    answers = {
        model: {
            "some": [
                TraceAnswer(written="", right=bool(right[place]), bare=bool(bare[place]))
                for _ in PUZZLES
            ]
        }
        for place, model in enumerate(("base", "causal"))
    }
    results = TraceResults([PuzzleSet("some", PUZZLES)], answers)
    n = len(PUZZLES)
    (told,) = [one for one in results.sentences() if "bare answers" in one]
    assert told.endswith(says)
    assert f"{bare[0] * n}/{n}" in told
    before = [one.model_copy(update={"bare": None}) for one in answers["base"]["some"]]
    kept = TraceResults(results.sets, {**answers, "base": {"some": before}})
    assert kept.forms == []  # from before that was kept
    assert TraceResults([PuzzleSet("some", PUZZLES)], {"base": answers["base"]}).forms == []


def test_the_commonest_answer_is_that_of_its_kind_and_form() -> None:
    results = TraceResults([PuzzleSet("some", PUZZLES)], {})
    right = results.right(COMMONEST, results.sets[0])
    for kind in {puzzle.kind for puzzle in PUZZLES}:
        told = [
            (puzzle.answer, one)
            for puzzle, one in zip(PUZZLES, right, strict=True)
            if (puzzle.kind, puzzle.asks) == (kind, "yes-no")
        ]
        assert len({answer for answer, one in told if one}) <= 1
        assert 2 * sum(one for _, one in told) >= len(told)


def test_only_the_published_gains_on_gsm8k_are_beyond_noise() -> None:
    assert [one.benchmark for one in PUBLISHED if one.beyond_noise] == ["gsm8k"] * 3
    rows = published_table().rows
    assert len(rows) == 9
    assert rows[0] == [
        *("gpqa_diamond", "0.5B", "46/198 [.18–.30]", "53/198 [.21–.33]"),
        *(".04", "-.05 to .12", "inside the noise"),
    ]
    assert len(published_table().columns) == len(rows[0])


# -- lm-eval -------------------------------------------------------------------------------------


def replies(puzzle: Puzzle) -> list[tuple[str, bool]]:
    """What a model could write, and whether it is right."""
    trace = completion_of(puzzle)
    return [
        (puzzle.answer, True),
        (f" {puzzle.answer}\n", True),
        (f"{puzzle.answer}.", True),
        (trace, True),
        (f"{trace}\n\nAnd more.", True),
        (trace.replace("</think>", ""), False),  # no end
        (f"not {puzzle.answer}?", False),
    ]


def test_lm_eval_with_its_filters_finds_right_what_we_find_right() -> None:
    from lm_eval.api.model import LM

    puzzles = [one for one in PUZZLES if one.asks == "yes-no"][:2]
    texts = {}
    copies = []
    for puzzle in puzzles:
        for number, (text, right) in enumerate(replies(puzzle)):
            copy = puzzle.model_copy(update={"question": f"{number}. {puzzle.question}"})
            copies.append(copy)
            texts[prompt_of(copy)] = text
            if not text.startswith("not"):
                assert is_right(copy, text) == right

    class Canned(LM):
        def generate_until(self, requests: list[Any]) -> list[str]:
            return [texts[request.args[0]] for request in requests]

        loglikelihood = loglikelihood_rolling = None

    rate = through_lm_eval(Harness(Canned(), False, 512), PuzzleSet("some", copies))
    assert rate == Rate(5 * len(puzzles), 7 * len(puzzles))


# -- by hand, and from beginning to end ----------------------------------------------------------


def test_a_trace_is_coloured_by_its_tags_plain_or_special() -> None:
    plain = "<think>\nTold.\n<causality>\nW.\n</causality>\n</think>\nW"
    special = "<|im_start|>think\nTold.\n<|im_start|>causality\nW."
    for text in (plain, special):
        shown = coloured(text)
        assert shown.plain == text
        by_style = {
            str(span.style): text[span.start : span.end].strip() for span in reversed(shown.spans)
        }
        assert (by_style["cyan"], by_style["magenta"]) == ("Told.", "W.")
    assert str(coloured(plain).spans[-1].style) == "bold"


def test_names_that_can_not_be_told_apart_or_are_taken_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two models"):
        named(["a/final", "b/final"])
    (tmp_path / "traces" / "mine").mkdir(parents=True)
    (tmp_path / "traces" / "mine" / "puzzles.jsonl").touch()
    with pytest.raises(UsageError, match="has no answers"):
        results_folder("mine", tmp_path)
    with pytest.raises(ExperimentError, match="has no puzzles"):
        named_sets(["mine"], 0, tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"question": "Why?"}\n')
    with pytest.raises(ExperimentError, match=r"line 1 is not a puzzle"):
        named_sets([str(tmp_path / "rows.jsonl")], 0, tmp_path)
    for folder in ("rows.v1", "rows.v2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.jsonl").write_text(PUZZLES[0].model_dump_json() + "\n")
    folders = [str(tmp_path / folder) for folder in ("rows.v1", "rows.v2")]
    assert [one.name for one in named_sets(folders, 0, tmp_path)] == ["rows.v1", "rows.v2"]
    with pytest.raises(UsageError, match="two sets have the same name, test"):
        named_sets([f"{folder}/test.jsonl" for folder in folders], 0, tmp_path)


def test_without_a_base_rows_of_ones_own_are_refused(tmp_path: Path) -> None:
    row = {"prompt": "W?\n", "completion": "W"}
    (tmp_path / "rows" / "answers").mkdir(parents=True)
    (tmp_path / "rows" / "answers" / "train.jsonl").write_text(json.dumps(row) + "\n")
    request = TuneRequest(
        rows=str(tmp_path / "rows"),
        arms=["answers"],
        base="",
        name="mine",
        preset="claire",
        settings={},
        resume=False,
        out=tmp_path,
    )
    with pytest.raises(ExperimentError, match="not all its rows are of drawn puzzles: give one"):
        list(tune_arms(request))


def test_the_base_reads_no_graph_that_will_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, held_out = draw_puzzles(20, seed=6, sizes=[6]), set()
    shapes = {shape for one in asked for shape in one.shapes}
    learnt = draw_puzzles(60, seed=7, sizes=[6], without=shapes)
    for name, puzzles in (("asked", asked), ("mine", learnt)):
        lines = "".join(one.model_dump_json() + "\n" for one in puzzles)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    how = Preparation(seed=1, test=0.2, against=[tmp_path / "asked.jsonl"])
    rows = prepared([tmp_path / "mine.jsonl"], tmp_path / "rows", how)

    def noted(_: object, __: object, ___: object, without: set[str], *____: object) -> Run:
        held_out.update(without)
        raise ExperimentError("no more than this")

    monkeypatch.setattr("the_experiment.experiments.traces.tuned.pretrained_base", noted)
    request = TuneRequest(str(rows), ["causal"], "", "mine", "claire", {}, False, tmp_path)
    with pytest.raises(ExperimentError, match="no more than this"):
        list(tune_arms(request))
    tested = (rows / "test.jsonl").read_text().splitlines()
    test = {shape for line in tested for shape in Puzzle.model_validate_json(line).shapes}
    assert held_out == test | shapes


def test_an_experiment_is_the_same_from_its_yaml_and_from_its_folder(tmp_path: Path) -> None:
    told = {"kind": "traces", "name": "tiny", "question": "Does it?"}
    scale = TINY.model_dump(mode="json")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**told, "full": scale}))
    experiment = find_experiment(str(tmp_path / "tiny.yaml"))
    assert experiment == TracesExperiment(name="tiny", question="Does it?", full=TINY)
    (tmp_path / "experiment.json").write_text(experiment.model_dump_json())
    assert find_experiment(str(tmp_path)) == experiment


@pytest.mark.slow
def test_the_whole_experiment_runs_and_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    experiment = TracesExperiment(name="tiny", question="Does it?", full=TINY)
    outcome = run(experiment, tmp_path)
    cells = experiment.cells(tmp_path, quick=False)
    store = Store(tmp_path / "traces" / "tiny" / "cells")
    puzzles = store.read(cells["puzzles"])
    held_out = {one["graph"] for asked in puzzles["sets"].values() for one in asked}
    for arm in ARMS:
        lines = (Path(puzzles["folder"]) / "rows" / arm / "train.jsonl").read_text().splitlines()
        assert not held_out & {json.loads(line)["graph"] for line in lines}
    runs = {arm: Run(store.files(cells[arm, "longer"].needs["model"]) / "run") for arm in ARMS}
    assert all(run.complete for run in runs.values())
    runs["answers"].run_json.unlink()
    before = runs["causal"].run_json.stat().st_mtime_ns
    assert run(experiment, tmp_path).figures == outcome.figures
    assert not runs["answers"].complete  # nobody needs it: its answers are there
    store.path(cells["answers", "longer"]).unlink()
    assert run(experiment, tmp_path).figures == outcome.figures
    assert runs["answers"].complete
    assert runs["causal"].run_json.stat().st_mtime_ns == before
