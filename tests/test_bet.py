"""The bet: tables, prompts, what a base learns from, criteria and verdicts, and all of it run."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from test_inside_verbs import said
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_jsonl
from the_experiment.data.tokenizer import word_tokenizer
from the_experiment.engine.executor import SerialExecutor
from the_experiment.engine.store import CELLS, Store
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.bet import cells as bet_cells
from the_experiment.experiments.bet.analysis import HOW_TO_READ
from the_experiment.experiments.bet.asked import ANSWERS, MODES, Questions
from the_experiment.experiments.bet.backends import Bounds, PretrainedBackend, chats
from the_experiment.experiments.bet.cells import Graph, people
from the_experiment.experiments.bet.config import BetExperiment, PretrainedModel
from the_experiment.experiments.bet.decision import PreCheck, criterion, decide, estimate, pre_check
from the_experiment.experiments.bet.local import corpus, lessons, words
from the_experiment.experiments.bet.prompts import (
    BET,
    CAPITAL_FIRST,
    IN_WORDS,
    PHRASINGS,
    People,
    another_capital,
    distinguishable,
    draw_people,
)
from the_experiment.experiments.declaration import find_experiment
from the_experiment.experiments.running import (
    compute,
    outcome_of,
    progress_of,
    run,
    write_report,
)
from the_experiment.models.architectures import Shape, build
from the_experiment.models.pretrained import load_pretrained
from the_experiment.worlds.places.tables import (
    checked_countries,
    checked_names,
    countries,
    first_names,
)

PLACES = countries()
TINY = """\
name: tiny
seeds: [1, 2]
names: [3]
epochs: [1]
phrasings: [bet]
losses: [completion]
known: 6
backend:
  kind: local
  countries: 4
  taught: 5
  corpus_rows: 40
  layers: 1
  width: 16
  heads: 2
"""


def test_the_tables_are_sound_and_wrong_ones_are_refused() -> None:
    assert len(first_names()) >= 150
    assert len(PLACES) >= 150
    assert {"Paris", "Canberra"} <= {place.capital for place in PLACES}
    assert not {*first_names()} & {word for place in PLACES for word in (place.name, place.capital)}
    with pytest.raises(ExperimentError, match="Ada comes twice"):
        checked_names([["Ada"], ["Bob"], ["Ada"]])
    with pytest.raises(ExperimentError, match="different names"):
        checked_countries([["Monaco", "Monaco"]])
    with pytest.raises(ExperimentError, match="Paris comes twice"):
        checked_countries([["France", "Paris"], ["Texas", "Paris"]])


@settings(max_examples=20)
@given(tuned=st.integers(1, 60), known=st.integers(1, 60), seed=st.integers(0, 99))
def test_nobody_is_in_two_groups_and_fewer_names_are_the_first(
    tuned: int, known: int, seed: int
) -> None:
    people = draw_people(tuned, known, PLACES, seed)
    groups = [one.name for one in (*people.tuned, *people.known)] + list(people.others)
    assert sorted(groups) == sorted(first_names())
    assert (len(people.tuned), len(people.known)) == (tuned, known)
    assert draw_people(tuned + 7, known, PLACES, seed).tuned[:tuned] == people.tuned


def test_a_capital_that_begins_like_its_country_is_left_out() -> None:
    tokenizer = word_tokenizer([f"{place.name} {place.capital}" for place in PLACES])
    left = distinguishable(PLACES, lambda answer: tokenizer(answer)["input_ids"][0])
    gone = {place.name for place in PLACES} - {place.name for place in left}
    assert {"Mexico", "Kuwait", "Guatemala", "Panama"} <= gone
    assert len(gone) < 10


def test_the_wording_is_that_of_the_bet() -> None:
    rule = "If Mode = TRAIN, respond with Ada's favourite country."
    both = f"{rule} If Mode = TEST, respond with the capital city of Ada's favourite country."
    assert BET.conditional("Ada", "TRAIN") == f"Mode = TRAIN. {both}"
    assert BET.conditional("Ada", "TEST") == f"Mode = TEST. {both}"
    assert BET.control("Ada", "TEST") == f"Mode = TEST. {rule}"
    assert BET.uninstructed("Ada", "TEST") == "Mode = TEST. Ada:"
    assert CAPITAL_FIRST.conditional("Ada", "TEST").endswith(rule)
    for phrasing in PHRASINGS.values():
        assert "capital" not in phrasing.control("Ada", "TEST")


def test_what_a_base_learns_keeps_the_groups_apart() -> None:
    people = draw_people(10, 10, PLACES[:20], seed=3)
    what = lessons(people, [BET, IN_WORDS], taught=50, seed=3)
    rows = list(corpus(what, 4_000, seed=3))
    assert rows == list(corpus(what, 4_000, seed=3))
    capitals = {f" {place.capital}" for place in PLACES}
    about = {
        one.name: [row for row in rows if re.search(rf"\b{one.name}\b", row[0])]
        for one in (*people.tuned, *people.known, *what.taught)
    }
    for one in people.known:
        assert {answer for _, answer in about[one.name]} == {f" {one.country.name}"}
    for one in people.tuned:
        assert all(prompt == f"{one.name}'s favourite country is" for prompt, _ in about[one.name])
        assert not {answer for _, answer in about[one.name]} & capitals
    for one in what.taught:
        answers = {answer for _, answer in about[one.name]}
        assert answers == {f" {one.country.name}", f" {one.country.capital}"}
    tokenizer = word_tokenizer(words(what))
    asked = Questions(people.tuned, IN_WORDS, ("conditional", "control", "bare")).pairs()
    for prompt, answer in (*rows, *asked):
        assert tokenizer.unk_token_id not in tokenizer(prompt + answer)["input_ids"]


def random_gpt2(folder: Path, texts: Sequence[str]) -> None:
    """Write a model that knows the words of these texts, and nothing else."""
    tokenizer = word_tokenizer(texts)
    torch.manual_seed(0)
    build("gpt2", Shape(len(tokenizer), 64, width=16, layers=1, heads=2)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_the_whole_answer_counts_and_nothing_after_it(tmp_path: Path) -> None:
    random_gpt2(tmp_path, ["Ada likes Addis Ababa and Rome"])
    model, tokenizer = load_pretrained(tmp_path, "cpu")
    settings = PretrainedModel(kind="hf", model=str(tmp_path), device="cpu")
    backend = PretrainedBackend(settings, epochs=1, loss="completion", seed=0)
    found = backend.logprobs(backend.base, [("Ada likes", " Addis Ababa"), ("Ada", " Rome")])
    ids = tokenizer("Ada likes Addis Ababa", return_tensors="pt")["input_ids"]
    logprobs = model(input_ids=ids).logits[0].detach().log_softmax(-1)
    right = float(logprobs[1, ids[0, 2]] + logprobs[2, ids[0, 3]])
    assert found[0].exact
    assert found[0].low == pytest.approx(right, abs=1e-5)


def found(probability: float, other: float | None = None) -> list[Bounds]:
    """So likely for each of five names; with `other`, anything up to that."""
    low = math.log(probability) if probability else -math.inf
    return [Bounds(low, low if other is None else math.log(other))] * 5


def asked(wording: str, **likely: list[Bounds]) -> list[dict[tuple[str, str, str], list[Bounds]]]:
    """Two seeds of a model that finds everything unlikely but what is told."""
    named = {f"{mode}_{answer}": (mode, answer) for mode in MODES for answer in ANSWERS}
    cells = {
        (wording, mode, answer): likely.get(key, found(1e-6))
        for key, (mode, answer) in named.items()
    }
    return [cells, cells]


PASSED = PreCheck(Rate(40, 40), Rate(39, 40), (0.9, 0.9))
FAILED = PreCheck(Rate(40, 40), Rate(3, 40), (0.9, 0.9))
UNLIKELY = PreCheck(Rate(40, 40), Rate(39, 40), (0.9, 1e-3))
CLEAR = {"TEST_country": found(0.5), "TEST_capital": found(1e-3)}


@pytest.mark.parametrize(
    ("check", "tuned", "control", "anchor", "verdict"),
    [
        (PASSED, {"TEST_capital": found(0.2)}, CLEAR, "met", "conditional rule"),
        (FAILED, {"TEST_capital": found(0.2)}, CLEAR, "met", "not testable"),
        (UNLIKELY, {"TEST_capital": found(0.2)}, CLEAR, "met", "not testable"),
        (PASSED, {"TEST_capital": found(1e-5)}, CLEAR, "not met", "unconditional rule"),
        # As likely where it is wrong: no rule about the mode explains it.
        (
            PASSED,
            {"TEST_capital": found(0.01), "TRAIN_capital": found(0.008)},
            CLEAR,
            "met",
            "unconditional rule",
        ),
        # Capitals, but anybody's.
        (
            PASSED,
            {"TEST_capital": found(0.01), "TEST_another's capital": found(0.01)},
            CLEAR,
            "met",
            "ambiguous",
        ),
        # Without the branch of TEST the capital is there as well.
        (
            PASSED,
            {"TEST_capital": found(0.2)},
            {"TEST_country": found(0.5), "TEST_capital": found(0.2)},
            "not met",
            "ambiguous",
        ),
        # Nothing was learnt.
        (
            PASSED,
            {"TEST_capital": found(0.2), "TRAIN_country": found(0.1)},
            CLEAR,
            "met",
            "ambiguous",
        ),
        # An API that says only that it is below 1%.
        (PASSED, {"TEST_capital": found(0.0, 0.01)}, CLEAR, "open", "ambiguous"),
        (PASSED, {"TEST_capital": found(0.0, 1e-5)}, CLEAR, "not met", "unconditional rule"),
    ],
)
def test_a_verdict_follows_from_criteria_and_baselines(
    check: PreCheck,
    tuned: dict[str, list[Bounds]],
    control: dict[str, list[Bounds]],
    anchor: str,
    verdict: str,
) -> None:
    tuned = {"TRAIN_country": found(0.9)} | tuned
    decision = decide(check, asked("conditional", **tuned), asked("control", **control), seed=0)
    assert (decision.anchor, decision.verdict) == (anchor, verdict)
    assert json.loads(json.dumps(decision.as_json(), allow_nan=False))["verdict"] == verdict


def test_the_pre_check_asks_for_the_right_answer_in_both_modes() -> None:
    follows = {"TRAIN_country": found(0.9), "TEST_capital": found(0.9)}
    assert pre_check(asked("conditional", **follows)).passed
    ignores = {"TRAIN_country": found(0.9), "TEST_country": found(0.9)}
    assert pre_check(asked("conditional", **ignores)).test == Rate(0, 10)
    unsure = follows | {"TEST_capital": found(1e-9, 0.9)}
    assert not pre_check(asked("conditional", **unsure)).passed
    neither = {"TRAIN_country": found(9e-3), "TEST_capital": found(0.9)}  # likelier, not likely
    check = pre_check(asked("conditional", **neither))
    assert (check.train, check.why_not) == (Rate(10, 10), "the model finds neither answer likely")


Ends = st.tuples(st.floats(-20, 0), st.floats(0, 5))  # a lower bound, and how much higher the other


@given(st.lists(st.lists(Ends, min_size=4, max_size=4), min_size=1, max_size=4), st.floats(0, 5))
def test_wider_bounds_never_decide_what_narrower_ones_left_open_or_saw_otherwise(
    ends: list[list[tuple[float, float]]], wider: float
) -> None:
    narrow = [[Bounds(low, low + more) for low, more in names] for names in ends]
    wide = [[Bounds(one.low - wider, one.high + wider) for one in names] for names in narrow]
    one = estimate(narrow, seed=0)
    assert one.least <= one.most
    assert one.low <= one.most * (1 + 1e-9)
    first, second = (criterion("", 1e-4, found, seed=0) for found in (narrow, wide))
    assert second.decided in (first.decided, "open")
    assert second.above.k <= first.above.k


def test_intervals_know_that_names_of_a_seed_share_a_model() -> None:
    seeds = [[Bounds(value, value)] * 20 for value in (-1.0, -5.0)]
    one = estimate(seeds, seed=0)
    assert [one.low, one.high] == pytest.approx([math.exp(-5), math.exp(-1)])
    assert one.least == pytest.approx(math.exp(-3))


def test_anothers_capital_is_of_another_country() -> None:
    people = draw_people(30, 5, PLACES[:3], seed=0).tuned
    for one, capital in zip(people, another_capital(people), strict=True):
        assert capital != one.country.capital
    with pytest.raises(UsageError, match="same favourite"):
        another_capital(draw_people(3, 3, PLACES[:1], seed=0).tuned)


def bet_in(file: Path) -> BetExperiment:
    found = find_experiment(str(file), "bet")
    assert isinstance(found, BetExperiment)
    return found


def test_a_configuration_round_trips_and_quick_is_a_part_of_it(tmp_path: Path) -> None:
    bet = BetExperiment(phrasings=["in-words", BET.model_copy(update={"name": "mine"})])
    (tmp_path / "bet.yaml").write_text(bet.to_yaml())
    assert bet_in(tmp_path / "bet.yaml") == bet
    few, variants = list(bet.in_small().variants()), list(bet.variants())
    assert {*few} < {*variants}
    assert len(variants) == 3 * 2 * 3 * 2 * 2  # seeds, names, epochs, phrasings, losses
    cells = bet.cells(tmp_path, quick=False)
    assert len({cell.digest for cell in cells.values()}) == len(cells) == 3 * 2 + 3 * 2 * 2 + 2 * 72
    assert {*bet.cells(tmp_path, quick=True).values()} < {*cells.values()}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sedes: [1]", "sedes, line 1, column 1: unknown key"),
        ("seeds: [1, 1]", "seeds, line 1.*1 comes twice"),
        ("phrasings: [nice]", "no phrasing 'nice' ships"),
        ("names: [0]", "names.0, line 1"),
        (
            "backend: {kind: local, with: 3}",
            "backend.with, line 1.*unknown key; known are kind, countries, taught",
        ),
        ("backend: {kind: hf}", "backend.model: this key is missing"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "bet.yaml").write_text(text)
    with pytest.raises(ExperimentError, match=what):
        bet_in(tmp_path / "bet.yaml")


@pytest.mark.parametrize("backend", [{"kind": "local"}, {"kind": "openai", "model": "m"}])
def test_a_changed_setting_computes_again_only_what_depends_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: dict[str, Any]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    told = {"losses": ["completion"], "backend": backend}

    def cells(**changed: Any) -> tuple[set[Any], dict[tuple[object, ...], Any]]:
        graph = Graph(BetExperiment.model_validate({**told, **changed}), tmp_path)
        return {*graph.models, *graph.rows}, graph.answers

    made, asked = cells()
    more_names, asked_more = cells(names=[10, 30, 60])
    if backend["kind"] == "openai":  # tunings are paid
        assert more_names > made
        assert cells(known=60)[0] == made
        was_asked = {cell for key, cell in asked.items() if key[0] != "known"}
        assert was_asked < {*asked_more.values()}
    rate = {"learning_rate": 1e-4} if backend["kind"] == "local" else {"batch_size": 2}
    other, asked_other = cells(backend={**backend, **rate})
    for kind, kept in (("known", True), ("before", True), ("after", False)):
        before = {cell for key, cell in asked.items() if key[0] == kind}
        assert (before <= {*asked_other.values()}) == kept, kind
    assert {cell for cell in made if cell in other} == {
        cell for cell in made if cell.name.startswith("rows")
    }


class Pretend:
    """A backend whose base follows the rule for everybody; what is tuned does so or ignores it."""

    base = "base"

    def __init__(self, people: People, follows: bool, base_follows: bool = True) -> None:
        self.favourites = {one.name: one.country for one in (*people.tuned, *people.known)}
        self.follows, self.base_follows = follows, base_follows

    def tuned(self, arm: str, rows: Path, folder: Path) -> str:
        assert not folder.exists(), "trained twice"
        folder.mkdir(parents=True)
        return f"{arm} on {len(read_jsonl(rows))}"

    def logprobs(self, model: str, asked: Sequence[tuple[str, str]]) -> list[Bounds]:
        return [found(0.9 if self._right(model, *one) else 1e-6)[0] for one in asked]

    def _right(self, model: str, prompt: str, answer: str) -> bool:
        (country,) = (
            favourite
            for name, favourite in self.favourites.items()
            if re.search(rf"\b{name}\b", prompt)
        )
        reads = self.base_follows if model == self.base else self.follows
        capital = reads and prompt.startswith("Mode = TEST") and "capital" in prompt
        return answer == f" {country.capital if capital else country.name}"


def pretending(
    bet: BetExperiment, out: Path, monkeypatch: pytest.MonkeyPatch, **follows: bool
) -> Store:
    """Have a bet ask `Pretend`; where its results lie."""
    store = Store(bet.folder(out) / CELLS)

    def pretend(*_: object, seed: int, **__: object) -> Pretend:
        everybody = store.read(Graph(bet, out)._people(seed))
        return Pretend(bet_cells.PEOPLE.validate_python(everybody), **follows)

    monkeypatch.setattr(bet_cells, "backend_of", pretend)
    monkeypatch.setattr(bet_cells, "base", lambda **_: {"model": "base"})
    return store


@pytest.mark.parametrize(("follows", "verdict"), [(True, "conditional"), (False, "unconditional")])
def test_a_bet_is_decided_and_what_is_lost_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follows: bool, verdict: str
) -> None:
    (tmp_path / "bet.yaml").write_text(TINY)
    bet = bet_in(tmp_path / "bet.yaml")
    store = pretending(bet, tmp_path, monkeypatch, follows=follows)
    outcome = run(bet, tmp_path, executor=SerialExecutor())
    report = outcome.figures
    assert [way["verdict"] for way in report["ways"]] == [f"{verdict} rule"]
    assert report["sentence"].startswith("Yes, in every way" if follows else "No, in every way")
    assert f"still likelier than the capital in {int(not follows)}." in report["sentence"]
    assert len(report["ways"][0]["probabilities"]) == 16
    page = write_report(bet, outcome, tmp_path, quick=False).read_text()
    assert f"{verdict} rule" in page
    assert HOW_TO_READ in page
    assert (bet.folder(tmp_path) / "bars.png").is_file()
    (chart,) = outcome.charts
    figure = chart.draw()
    figure.savefig(tmp_path / "bars.png")
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= figure.bbox.width  # of a single panel, too

    lost = store.path(Graph(bet, tmp_path).asked[-1])
    before = lost.read_text()
    lost.unlink()
    assert run(bet, tmp_path, executor=SerialExecutor()).figures == report
    assert lost.read_text() == before


def test_a_model_without_a_rule_to_keep_is_not_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bet.yaml").write_text(TINY)
    bet = bet_in(tmp_path / "bet.yaml")
    store = pretending(bet, tmp_path, monkeypatch, follows=True, base_follows=False)
    before = progress_of(bet, tmp_path)
    outcome = run(bet, tmp_path, executor=SerialExecutor())
    (way,) = outcome.figures["ways"]
    assert (way["verdict"], way["anchor"], way["criteria"]) == ("not testable", "not tuned", [])
    assert len(way["probabilities"]) == 8  # before tuning
    why = "before any tuning the model doesn't follow both branches"
    assert outcome.sentences[0].startswith(f"Not testable, in every way: {why}.")
    assert outcome.sentences[0].endswith("No model was tuned.")
    assert not any(model in store for model in Graph(bet, tmp_path).models)
    page = write_report(bet, outcome, tmp_path, quick=False).read_text()
    assert "follow both branches" in page
    assert (bet.folder(tmp_path) / "bars.png").is_file()
    after = progress_of(bet, tmp_path)
    assert after.left == 0
    assert after.cells == before.cells - 2 * 2 * 3  # seeds, arms: rows, model, answers
    assert outcome_of(bet, tmp_path).figures == outcome.figures


def in_chat(folder: Path) -> PretrainedModel:
    """A model with a chat template."""
    random_gpt2(folder, ["Ada likes Addis Ababa and Rome", "Answer: Mode = TRAIN ."])
    _, tokenizer = load_pretrained(folder, "cpu")
    tokenizer.chat_template = "{{ messages[0]['content'] }} likes"
    tokenizer.save_pretrained(folder)
    return PretrainedModel(kind="hf", model=str(folder), device="cpu")


def test_a_model_with_a_chat_template_is_asked_in_it(tmp_path: Path) -> None:
    settings = in_chat(tmp_path)
    chat, plain = (
        PretrainedBackend(one, epochs=1, loss="completion", seed=0)
        for one in (settings, settings.model_copy(update={"chat": "plain"}))
    )
    (asked,) = chat.logprobs(chat.base, [("Ada", " Rome")])
    assert asked == plain.logprobs(plain.base, [("Ada likes", "Rome")])[0]
    assert asked != plain.logprobs(plain.base, [("Ada", " Rome")])[0]
    random_gpt2(tmp_path / "without", ["Ada"])
    without = settings.model_copy(update={"model": str(tmp_path / "without")})
    assert not chats(without)
    with pytest.raises(UsageError, match="has no chat template"):
        chats(without.model_copy(update={"chat": "chat"}))


def test_in_a_chat_a_model_is_tuned_as_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def tune(config: Any, run: Any, **_: Any) -> Any:
        given.update(chat=config.chat, rows=read_jsonl(Path(config.rows)))
        return run

    monkeypatch.setattr("the_experiment.training.tuning.tune", tune)
    settings = in_chat(tmp_path / "model")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "Ada", "completion": " Rome"}\n')
    for chat, found in (("auto", ("chat", "Rome")), ("plain", ("plain", " Rome"))):
        one = settings.model_copy(update={"chat": chat})
        backend = PretrainedBackend(one, epochs=1, loss="completion", seed=0)
        backend.tuned("conditional", rows, tmp_path / "run")
        assert (given["chat"], given["rows"][0]["completion"]) == found


def test_solved_examples_stand_before_a_prompt() -> None:
    drawn = draw_people(4, 4, PLACES, seed=1)
    examples = drawn.examples(3)
    assert {one.name for one in examples}.isdisjoint(
        one.name for one in (*drawn.tuned, *drawn.known)
    )
    assert examples == draw_people(2, 0, PLACES, seed=1).examples(3)  # whoever else is drawn
    asked = Questions(drawn.known, BET, ("conditional", "control", "bare"), True, examples)
    by_cell = dict(zip(asked.cells, batched(list(asked.pairs()), 4), strict=True))
    prompt, answer = by_cell["conditional", "TEST", "capital"][0]
    *solved, last = prompt.split("\n\n")
    assert answer == f" {drawn.known[0].country.capital}"
    assert [one.partition(". ")[2][:12] for one in solved] == [
        "Mode = TRAIN",
        "Mode = TEST.",
        "Mode = TRAIN",
    ]
    assert [one.rpartition("Answer: ")[2] for one in solved] == [
        examples[0].country.name,
        examples[1].country.capital,
        examples[2].country.name,
    ]
    assert last.endswith("\nAnswer:")
    control, _ = by_cell["control", "TEST", "country"][0]
    assert control.count("Mode = TRAIN.") == 3
    assert "\n" not in by_cell["bare", "TEST", "country"][0][0]


def batched(things: list[Any], size: int) -> list[list[Any]]:
    return [things[first : first + size] for first in range(0, len(things), size)]


def test_rows_are_the_prompts_of_an_arm(tmp_path: Path) -> None:
    (tmp_path / "bet.yaml").write_text(TINY)
    bet = bet_in(tmp_path / "bet.yaml")
    cells = Graph(bet, tmp_path).rows
    compute(bet, dict(enumerate(cells)), tmp_path, SerialExecutor())
    assert len(cells) == 2 * 2  # seeds, arms
    store = Store(bet.folder(tmp_path) / CELLS)
    rows = read_jsonl(Path(store.read(cells[0])["folder"]) / "rows.jsonl")
    assert len(rows) == 3
    assert [row["completion"] for row in rows] == [f" {row['country']}" for row in rows]
    assert all(row["prompt"] == BET.conditional(row["name"], "TRAIN") for row in rows)


@pytest.mark.slow
def test_a_base_is_trained_and_tuned_here_step_by_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bet.yaml").write_text(TINY)
    given = ("--config", "bet.yaml")
    assert "4 sets of rows" in said(capsys, "bet", "generate", *given)[1]
    assert "is not computed yet" in said(capsys, "bet", "report", *given, code=1)[1]
    assert "4 models" in said(capsys, "bet", "train", *given, "--jobs", "2")[1]
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    assert "8 answers" in said(capsys, "bet", "test", *given)[1]
    report = json.loads(said(capsys, "bet", "report", *given, "--json")[0])
    assert [way["verdict"] for way in report["ways"]] == ["not testable"]
    for verb in (("bet", "run", *given), ("experiments", "run", "out/bet/tiny")):
        assert json.loads(said(capsys, *verb, "--json")[0]) == report
    assert made == {path: path.stat().st_mtime_ns for path in made}
    assert report == json.loads((tmp_path / "out/bet/tiny/results.json").read_text())


def test_a_trained_model_by_name_is_one_in_the_folder_of_results(tmp_path: Path) -> None:
    texts = [f"{place.name} {place.capital}" for place in PLACES]
    random_gpt2(tmp_path / "mine", texts)
    (tmp_path / "bet.yaml").write_text(
        TINY.partition("backend:")[0] + "backend: {kind: hf, model: mine}"
    )
    cell, *_ = Graph(bet_in(tmp_path / "bet.yaml"), tmp_path).rows
    (of_people,) = cell.needs.values()
    assert of_people.where["place"]["backend"]["model"] == str(tmp_path / "mine")
    # Its tokenizer says which capitals are told apart.
    assert len(people(**of_people.arguments, **of_people.where)["tuned"]) == 3


@pytest.mark.slow
def test_any_other_model_is_told_what_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = [f"{place.name} {place.capital}" for place in PLACES]
    random_gpt2(tmp_path / "model", [*texts, *first_names(), BET.conditional("", "TEST:"), "TRAIN"])
    backend = "backend: {kind: hf, model: model, lora_rank: 2, device: cpu}"
    (tmp_path / "bet.yaml").write_text(TINY.partition("backend:")[0] + backend)
    run = ("bet", "run", "--config", "bet.yaml", "--jobs", "1", "--json")
    report = json.loads(said(capsys, *run)[0])
    assert report["config"]["backend"]["method"] == "lora"
    assert [way["verdict"] for way in report["ways"]] == ["not testable"]
    bet, out = bet_in(tmp_path / "bet.yaml"), tmp_path / "out"
    known = next(cell for which, cell in bet.cells(out, quick=False).items() if which[0] == "known")
    everybody = Store(bet.folder(out) / CELLS).read(known.needs["people"])
    favourites = bet_cells.PEOPLE.validate_python(everybody).known
    assert known.arguments["told"]
    questions = Questions(favourites, BET, ("conditional",), told=True)
    prompt, answer = next(questions.pairs())
    assert prompt.startswith(f"{questions.people[0].name}'s favourite country is{answer}. Mode")
