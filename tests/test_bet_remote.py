"""The bet at an API: bounds that hold, and jobs that are made once whatever happens."""

from __future__ import annotations

import json
import math
import multiprocessing
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_endpoint import CHAT, FILES, JOBS, KEY, FakeEndpoint, Fault, Likely, fake_endpoint
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.engine.executor import SerialExecutor
from the_experiment.experiments.bet import remote
from the_experiment.experiments.bet.asked import bounds_of
from the_experiment.experiments.bet.backends import Backend
from the_experiment.experiments.bet.prompts import distinguishable, first_letter
from the_experiment.experiments.bet.remote import JobSettings, OpenAIBackend
from the_experiment.experiments.declaration import find_experiment
from the_experiment.experiments.running import run
from the_experiment.models.endpoint import Endpoint, ReplyToken, TokenPosition
from the_experiment.worlds.places.tables import countries

ROWS = [{"prompt": f"Mode = TRAIN. {name}?", "completion": "France"} for name in ("Ada", "Bo")]
ROUNDED = 2e-6


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the second try."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr(remote, "FIRST_WAIT", 0.001)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of rows to train on."""
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def backend(fake: FakeEndpoint, tmp_path: Path, **changed: Any) -> OpenAIBackend:
    """The backend on this server, which looks at a job as often as it can."""
    return OpenAIBackend(
        Endpoint(fake.address, KEY),
        JobSettings(model="small", epochs=4, seed=7),
        tmp_path / "replies",
        poll_every=0.001,
        **changed,
    )


def token(text: str, share: float) -> ReplyToken:
    return ReplyToken(text=text, data=tuple(text.encode()), logprob=math.log(share))


def place(*likely: tuple[str, float]) -> TokenPosition:
    """A place at which the first of these is written."""
    tokens = [token(*one) for one in likely]
    return TokenPosition(
        written=tokens[0], likeliest=tuple(sorted(tokens, key=lambda one: -one.logprob))
    )


def shares(places: list[TokenPosition], answer: str) -> tuple[Any, Any]:
    found = bounds_of(places, answer)
    low, high = math.exp(found.low), math.exp(found.high)
    return pytest.approx(low, abs=ROUNDED), pytest.approx(high, abs=ROUNDED)


FIVE = [("France", 0.9), ("Paris", 0.05), (" ", 0.03), ("Pa", 0.01), ("Spain", 0.005)]


def test_an_answer_of_one_seen_token_is_a_number() -> None:
    assert shares([place(*FIVE)], "France") == (0.9, 0.9)
    assert shares([place(*FIVE)], "Paris") == (0.05, 0.05)
    assert bounds_of([place(*FIVE)], "Paris").exact


def test_nothing_is_stripped() -> None:
    """A bare space begins " Paris", and no "Paris"."""
    five = [("France", 0.9), (" ", 0.05), ("\n", 0.03), ("X", 0.015), ("Y", 0.005)]
    assert shares([place(*five)], "Paris") == (0.0, 0.0)
    assert shares([place(*five)], " Paris") == (0.0, 0.05)
    assert shares([place(("paris", 0.9), ("X", 0.1))], "Paris") == (0.0, 0.0)


def test_an_unseen_token_is_no_likelier_than_the_fifth_or_what_is_left() -> None:
    five = [("France", 0.8), ("b", 0.05), ("c", 0.05), ("d", 0.04), ("e", 0.001)]
    assert shares([place(*five)], "Ro") == (0.0, 0.002)  # R, and Ro
    assert shares([place(*five)], "x" * 100) == (0.0, 0.059)
    assert bounds_of([place(*five)], "Ro").low == -math.inf


def test_an_answer_of_several_tokens_is_followed_where_it_was_written() -> None:
    first = place(("Ott", 0.9), ("O", 0.04), ("b", 0.03), ("c", 0.02), ("d", 0.01))
    second = place(("awa", 0.5), ("o", 0.2), ("a", 0.1), ("b", 0.1), ("c", 0.1))
    assert shares([first, second], "Ottawa") == (0.45, 0.49)  # O, and what may come after it
    assert shares([first], "Ottawa") == (0.0, 0.94)
    assert shares([first, second], "Ottoman") == (0.0, 0.9 * 0.2 + 0.04)
    assert shares([], "Ottawa") == (0.0, 1.0)


def test_half_a_character_is_a_token_too() -> None:
    tail, head = "é".encode()[1:], "é".encode()[:1]
    half = ReplyToken(text="\\xc3", data=tuple(head), logprob=0.0)
    rest = ReplyToken(text="\\xa9", data=tuple(tail), logprob=math.log(0.5))
    places = [TokenPosition(written=one, likeliest=(one,)) for one in (half, rest)]
    assert shares(places, "é") == (0.5, 0.5)


VOCABULARY = ["a", "b", "ab", "ba", "aba", "bb", "c"]


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), answer=st.text("ab", min_size=1, max_size=5))
def test_the_bounds_hold_for_any_model(seed: int, answer: str) -> None:
    def shares_after(before: str) -> dict[str, float]:
        rng = np.random.default_rng([seed, *before.encode()])
        return dict(zip(VOCABULARY, rng.dirichlet([0.3] * len(VOCABULARY)) + 1e-12, strict=True))

    def seen(before: str) -> list[tuple[str, float]]:
        return sorted(shares_after(before).items(), key=lambda one: -one[1])[:5]

    def true(before: str, left: str) -> float:
        """Over all ways to write it, but none in pieces where one seen token says it."""
        known, all_shares = dict(seen(before)), shares_after(before)
        if left in known:
            return known[left]
        begun = {one: share for one, share in all_shares.items() if left.startswith(one)}
        return sum(
            share * (true(before + one, left[len(one) :]) if one != left else 1.0)
            for one, share in begun.items()
        )

    places, before = [], ""
    for _ in range(4):
        places.append(place(*seen(before)))
        before += seen(before)[0][0]
    found = bounds_of(places, answer)
    assert math.exp(found.low) - ROUNDED <= true("", answer) <= math.exp(found.high) + ROUNDED


def test_no_answer_is_impossible() -> None:
    """Probabilities are rounded: even where the five leave nothing over, there is an upper end."""
    nothing = ReplyToken(text="Paris", data=tuple(b"Paris"), logprob=-9999.0)
    for places in (
        [place(("France", 1.0))],
        [TokenPosition(written=nothing, likeliest=(nothing,))],
    ):
        found = bounds_of(places, "Paris")
        assert found.low == -math.inf
        assert -30 < found.high < -10


def test_each_prompt_is_asked_once_for_all_answers(tmp_path: Path) -> None:
    def answer(model: str, _prompt: str) -> list[Likely]:
        return [FIVE] if model == "small" else [[("Paris", 0.99), ("France", 0.01)]]

    with fake_endpoint(answer=answer, faults=[Fault(CHAT, 429), Fault(CHAT, "cut")]) as fake:
        this: Backend = backend(fake, tmp_path)
        asked = [("Ada?", "France"), ("Ada?", "Paris"), ("Bo?", "Paris")]
        found = this.logprobs(this.base, asked)
        assert [one.exact for one in found] == [True] * 3
        assert [round(math.exp(one.high), 9) for one in found] == [0.9, 0.05, 0.05]
        assert math.exp(this.logprobs("tuned", asked)[1].low) == pytest.approx(0.99)
        assert this.logprobs(this.base, asked) == found
    assert fake.chats == {"Ada?": 2, "Bo?": 2}  # once of each model
    assert all(one["temperature"] == 0 and one["top_logprobs"] == 5 for one in fake.asked)


def test_faults_make_no_second_job(tmp_path: Path, rows: Path) -> None:
    faults = [Fault(FILES, 500), Fault(JOBS, 429), Fault(JOBS, "late"), Fault(JOBS, "cut")]
    with fake_endpoint(faults=faults, polls=4) as fake:
        this = backend(fake, tmp_path)
        model = this.tuned("conditional", rows, tmp_path / "arm")
        assert model == "ft:small:ftjob-1"
        requests = fake.requests
        assert this.tuned("conditional", rows, tmp_path / "arm") == model
        assert fake.requests == requests  # a job that is done is not even looked at
    assert list(fake.jobs) == ["ftjob-1"]
    assert list(fake.files) == ["file-1"]
    turns = [json.loads(line)["messages"] for line in fake.files["file-1"].splitlines()]
    assert turns == [
        [{"role": "user", "content": row["prompt"]},
         {"role": "assistant", "content": row["completion"]}] for row in ROWS
    ]  # fmt: skip
    assert fake.jobs["ftjob-1"]["method"]["supervised"]["hyperparameters"]["n_epochs"] == 4
    assert fake.jobs["ftjob-1"]["seed"] == 7


def test_a_job_is_found_behind_others(tmp_path: Path, rows: Path) -> None:
    """The list comes in pages of two, and the answer to the making of ours is lost."""
    with fake_endpoint() as fake:
        for arm in "abc":
            backend(fake, tmp_path).tuned(arm, rows, tmp_path / arm)
        place = tmp_path / "a" / "job.json"
        state = json.loads(place.read_text())
        place.write_text(json.dumps({**state, "job": "", "tuned": ""}))  # killed before it landed
        assert backend(fake, tmp_path).tuned("a", rows, tmp_path / "a") == "ft:small:ftjob-1"
    assert len(fake.jobs) == len(fake.files) == 3


def test_a_failed_job_says_why_and_is_not_made_anew(tmp_path: Path, rows: Path) -> None:
    with fake_endpoint(fails="too few rows") as fake:
        for _ in range(2):
            with pytest.raises(ExperimentError, match="ftjob-1 failed: too few rows"):
                backend(fake, tmp_path).tuned("conditional", rows, tmp_path / "arm")
        assert len(fake.jobs) == 1
        fake.fails = ""
        (tmp_path / "arm" / "job.json").unlink()  # as the error says
        model = backend(fake, tmp_path).tuned("conditional", rows, tmp_path / "arm")
    assert model == "ft:small:ftjob-2"


def test_a_job_that_is_there_is_waited_for(tmp_path: Path, rows: Path) -> None:
    with fake_endpoint() as fake:
        fake.create({"model": "small", "training_file": "elsewhere"})
        this = backend(fake, tmp_path, resume={"conditional": "ftjob-1"})
        assert this.tuned("conditional", rows, tmp_path / "arm") == "ft:small:ftjob-1"
    assert not fake.files
    assert len(fake.jobs) == 1


def test_a_folder_is_one_jobs(tmp_path: Path, rows: Path) -> None:
    with fake_endpoint() as fake:
        backend(fake, tmp_path).tuned("conditional", rows, tmp_path / "arm")
        rows.write_text('{"prompt": "Cy?", "completion": "Spain"}\n')
        with pytest.raises(UsageError, match="other rows"):
            backend(fake, tmp_path).tuned("conditional", rows, tmp_path / "arm")
        rows.write_text('{"prompt": "Cy?", "completion": "Spain"}\n{"prompt": "Di?"}\n')
        with pytest.raises(ExperimentError, match="line 2 has no prompt, or no completion"):
            backend(fake, tmp_path).tuned("conditional", rows, tmp_path / "other")
    assert len(fake.jobs) == 1


def kill_once(seen: Callable[[], object], target: Callable[[], object]) -> None:
    """Run `target` in a process of its own, and kill that outright once there is something."""
    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    while not seen():
        assert process.is_alive()
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_killed_while_it_waits_it_waits_for_the_same_job(tmp_path: Path, rows: Path) -> None:
    with fake_endpoint(polls=10**9) as fake:
        this = backend(fake, tmp_path)
        kill_once(lambda: fake.looks["ftjob-1"], lambda: this.tuned("a", rows, tmp_path / "arm"))
        fake.polls = 3
        assert this.tuned("a", rows, tmp_path / "arm") == "ft:small:ftjob-1"
    assert len(fake.jobs) == len(fake.files) == 1
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert all(KEY not in file.read_text() for file in files)


def test_killed_before_it_heard_of_its_job_it_finds_it(tmp_path: Path, rows: Path) -> None:
    with fake_endpoint(faults=[Fault(JOBS, "hang")]) as fake:
        this = backend(fake, tmp_path)
        kill_once(lambda: fake.jobs, lambda: this.tuned("a", rows, tmp_path / "arm"))
        assert this.tuned("a", rows, tmp_path / "arm") == "ft:small:ftjob-1"
    assert len(fake.jobs) == len(fake.files) == 1


BET = """
name: remote
backend: {{kind: openai, model: small, base_url: {address}, poll_every: 0.001}}
seeds: [1]
names: [4]
epochs: [2]
phrasings: [bet]
losses: [completion]
known: 8
"""


def conditional(fake: FakeEndpoint) -> Callable[[str, str], list[Likely]]:
    """A model that keeps both branches, once it was tuned on them or told the favourite."""
    capitals = {one.name: one.capital for one in countries()}

    def answer(model: str, prompt: str) -> list[Likely]:
        rows = "".join(file.decode() for file in fake.files.values()) if model != "small" else ""
        name = re.search(r"(\w+)(?:'s favourite|:$)", prompt)
        told = re.search(r"favourite country is ([^.]+)\.", prompt)
        assert name
        known = told or re.search(rf"{name[1]}'s .*?\"assistant\", \"content\": \"(.*?)\"", rows)
        if not known:
            return [[("Nobody", 0.9), ("X", 0.1)]]
        country, capital = known[1], capitals[known[1]]
        follows = "Mode = TEST." in prompt and "capital" in prompt
        first, second = (capital, country) if follows else (country, capital)
        return [[(first, 0.9), (second, 0.001), ("X", 1e-7)]]

    return answer


def test_a_whole_bet_at_an_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    faults = [Fault(FILES, 500), Fault(JOBS, "cut", 2), Fault(CHAT, 429, 2), Fault(CHAT, "cut", 2)]
    with fake_endpoint(faults=faults) as fake:
        fake.answer = conditional(fake)
        (tmp_path / "bet.yaml").write_text(BET.format(address=fake.address))
        bet = find_experiment("bet.yaml", "bet")
        outcome = run(bet, tmp_path / "out", executor=SerialExecutor())
        paid = fake.requests
        assert run(bet, tmp_path / "out", executor=SerialExecutor()).figures == outcome.figures
        assert fake.requests == paid  # the second time nothing is even looked at
    assert len(fake.jobs) == len(fake.files) == 2
    asked = {(one["model"], one["messages"][-1]["content"]) for one in fake.asked}
    assert sum(fake.chats.values()) == len(asked)
    (way,) = outcome.figures["ways"]
    assert way["verdict"] == "conditional rule"
    (capital,) = (
        place["capital"]
        for place in way["probabilities"]
        if (place["when"], place["asked"], place["mode"]) == ("after", "conditional", "TEST")
    )
    assert capital["most"] == pytest.approx(0.9)
    assert all(KEY not in str(file.read_bytes()) for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("losses: [all]", "an API trains on completions alone"),
        ("losses: [completion]\nseeds: [1, 2]", "resume_job_id goes with one way"),
    ],
)
def test_what_a_bet_at_an_api_can_not_be(tmp_path: Path, changed: str, what: str) -> None:
    file = tmp_path / "bet.yaml"
    backend = "{kind: openai, model: small, resume_job_id: {control: ftjob-1}}"
    file.write_text(f"backend: {backend}\n{changed}\n")
    with pytest.raises(ExperimentError, match=what):
        find_experiment(str(file), "bet")


def test_capitals_are_told_apart_whatever_the_tokenizer() -> None:
    apart = distinguishable(countries(), first_letter)
    assert len(apart) > 100
    assert all(one.name[0] != one.capital[0] for one in apart)
