"""Endpoints: faults are survived or explained, replies are paid once, and the key stays secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from loguru import logger

from fake_endpoint import CHAT, KEY, Fault, fake_endpoint
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.models import endpoint as endpoints
from the_experiment.models.endpoint import ChatRequest, Endpoint, Message, RefusedError
from the_experiment.models.replies import Replies


def asking(text: str, top: int = 0) -> ChatRequest:
    """A request of one turn."""
    turn = Message(role="user", content=text)
    return ChatRequest(model="m", messages=(turn,), max_tokens=5, top_logprobs=top)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the second try."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


def test_rate_limits_errors_and_cut_connections_are_tried_again() -> None:
    kinds: list[int | str] = [429, 429, 500, 503, "cut", "late"]
    with fake_endpoint(faults=[Fault(CHAT, kind) for kind in kinds]) as fake:
        assert Endpoint(fake.address, KEY).chat(asking("hello")).text == "yes"
    assert fake.requests == len(kinds) + 1


def test_no_answer_in_time_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "TIMEOUT", 0.1)
    with fake_endpoint(faults=[Fault(CHAT, "hang")]) as fake:
        assert Endpoint(fake.address, KEY).chat(asking("hello")).text == "yes"


@pytest.mark.parametrize(
    ("kind", "said", "hint"),
    [
        (401, "the key is refused", "set another OPENAI_API_KEY"),
        (403, "the key is refused", "set another OPENAI_API_KEY"),
        (404, "fault", "check the model and --base-url"),
        (429, "fault", "wait, or add credit"),
        (500, "500, fault", "later"),
        ("html", "can't be read", "/v1"),
        ("cut", "cut", "check the network"),
    ],
)
def test_what_stays_wrong_is_explained(kind: int | str, said: str, hint: str) -> None:
    with (
        fake_endpoint(faults=[Fault(CHAT, kind, times=99)]) as fake,
        pytest.raises(ExperimentError) as raised,
    ):
        Endpoint(fake.address, KEY).chat(asking("hello"))
    assert said in raised.value.what
    assert hint in raised.value.hint
    assert KEY not in str(raised.value)


def test_nothing_listens() -> None:
    with fake_endpoint() as gone:
        pass
    with pytest.raises(ExperimentError, match="no connection"):
        Endpoint(gone.address, KEY).chat(asking("hello"))


def test_an_endpoint_without_log_probabilities_is_told() -> None:
    gave_none = pytest.raises(ExperimentError, match="log-probabilities and gave none")
    with fake_endpoint(logprobs=False) as fake, gave_none:
        Endpoint(fake.address, KEY).chat(asking("hello", top=5))


def test_where_the_key_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ExperimentError, match="there is no key"):
        Endpoint().chat(asking("hello"))
    (tmp_path / ".env").write_text(f"# mine\nOTHER=1\nexport OPENAI_API_KEY='{KEY}'\n")
    with fake_endpoint() as fake:
        assert Endpoint(fake.address).chat(asking("hello")).text == "yes"
        monkeypatch.setenv("OPENAI_API_KEY", "another")  # the environment goes over the file
        with pytest.raises(ExperimentError, match="the key is refused"):
            Endpoint(fake.address).chat(asking("hello"))
        monkeypatch.setenv("OPENAI_BASE_URL", fake.address)
        assert Endpoint(key=KEY).chat(asking("hello")).text == "yes"


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "ftp://host", "http://", "http://[", "http://me:secret@host/v1",
     "https://host/v1?key=secret", "ftp://me:secret@host"],
)  # fmt: skip
def test_addresses_that_are_none_or_hold_a_secret(address: str) -> None:
    with pytest.raises(UsageError) as raised:
        Endpoint(address, KEY)
    assert "secret" not in str(raised.value)


def test_a_reply_is_paid_once(tmp_path: Path) -> None:
    requests = [asking(f"question {n % 5}") for n in range(10)]
    told: list[int] = []
    with fake_endpoint(faults=[Fault(CHAT, 429, 3), Fault(CHAT, "cut", 2)]) as fake:
        replies = Replies(Endpoint(fake.address, KEY), tmp_path, workers=3)
        assert len(replies.missing(requests)) == 5
        assert replies.ask(requests, told.append) == []
        assert replies.ask(requests) == []
        assert set(fake.chats.values()) == {1}
        assert len(fake.chats) == sum(told) == 5
        assert all(replies.kept(one) for one in requests)
        torn = next(tmp_path.glob("*.json"))
        torn.write_text(torn.read_text()[:40])  # asked again, and no other
        replies.ask(requests)
        assert sorted(fake.chats.values()) == [1, 1, 1, 1, 2]


def test_what_was_asked_otherwise_is_asked_anew(tmp_path: Path) -> None:
    request = asking("hello")
    with fake_endpoint() as fake, fake_endpoint() as other:
        replies = Replies(Endpoint(fake.address, KEY), tmp_path)
        replies.ask([request])
        assert replies.kept(request.model_copy(update={"max_tokens": 6})) is None
        assert Replies(Endpoint(other.address, KEY), tmp_path).kept(request) is None


def test_one_refusal_does_not_stop_the_others(tmp_path: Path) -> None:
    with fake_endpoint(faults=[Fault(CHAT, 400)]) as fake:
        replies = Replies(Endpoint(fake.address, KEY), tmp_path, workers=1)
        refused = replies.ask([asking("bad"), asking("good")])
    assert len(refused) == 1
    assert len(replies.missing([asking("bad"), asking("good")])) == 1
    with fake_endpoint(faults=[Fault(CHAT, 400)]) as fake, pytest.raises(RefusedError):
        Endpoint(fake.address, KEY).chat(asking("bad"))


def test_an_error_keeps_what_has_landed(tmp_path: Path) -> None:
    with fake_endpoint() as fake:
        replies = Replies(Endpoint(fake.address, KEY), tmp_path, workers=1)
        replies.ask([asking("first")])
        fake.faults = [Fault(CHAT, 401, 99)]
        with pytest.raises(ExperimentError, match="the key is refused"):
            replies.ask([asking("first"), asking("second"), asking("third")])
        fake.faults = []
        replies.ask([asking("first"), asking("second"), asking("third")])
    assert fake.chats == {"first": 1, "second": 1, "third": 1}


def test_the_key_is_in_no_file_and_no_message(tmp_path: Path) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="TRACE")
    try:
        with fake_endpoint(faults=[Fault(CHAT, 400), Fault(CHAT, 429)]) as fake:
            endpoint = Endpoint(fake.address, KEY)
            Replies(endpoint, tmp_path, workers=1).ask([asking("bad"), asking("good")])
    finally:
        logger.remove(sink)
    assert said
    assert KEY not in "".join(said) + repr(endpoint)
    assert all(KEY not in file.read_text() for file in tmp_path.rglob("*") if file.is_file())
