"""An OpenAI-compatible endpoint: the hosted one, or any server of one's own that speaks the same.

The network is touched when something is asked, not before. Rate limits (429), errors of the server
(5xx), time-outs and cut connections are tried again, later each time, by the `openai` client
itself. The key is handed to that client, and is never logged, written or shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from the_experiment.base.errors import ExperimentError, UsageError, require_packages
from the_experiment.base.files import read_text
from the_experiment.base.strict import Strict

if TYPE_CHECKING:
    from openai import APIError, OpenAI
    from openai.types.chat import ChatCompletion, ChatCompletionTokenLogprob
    from openai.types.chat.chat_completion_token_logprob import TopLogprob

KEY, BASE_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"  # in the environment; the key also in DOTENV
DOTENV = Path(".env")  # in the folder that the command is run in
HOSTED = "https://api.openai.com/v1"
NO_KEY = "none"  # what a server of one's own is sent that asks for no key
RETRIES = 6  # half a minute of waiting in all: 0.5 s, then twice as long each time, 8 s at most
TIMEOUT = 600.0  # seconds for one reply
MEND_ADDRESS = "such as http://127.0.0.1:8000/v1"
LONGEST_TOLD = 300  # characters of what an endpoint says was wrong


class RefusedError(ExperimentError):
    """The endpoint refuses this one request, and would again: too long, or against its rules."""


class UnavailableError(ExperimentError):
    """The endpoint could not do it now, after several tries; later it may."""


class Record(Strict):
    """A part of what is asked and answered; it is kept in files, and is not changed."""


class Message(Record):
    """A turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(Record):
    """All that a reply depends on but the endpoint itself.

    `top_logprobs` likeliest tokens are told at each place of the reply, none where it is 0.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None  # None: as the endpoint has it
    top_logprobs: int = 0


class ReplyToken(Record):
    """A token and its natural-log probability.

    `data` are its bytes: half a character is a token too, and no text.
    """

    text: str
    data: tuple[int, ...]
    logprob: float


class TokenPosition(Record):
    """A place in a reply: the token that is written there, and the likeliest ones for it."""

    written: ReplyToken
    likeliest: tuple[ReplyToken, ...]


class Reply(Record):
    """What an endpoint answered, why it ended (`stop`, `length`, …), and what it counted."""

    text: str
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    places: tuple[TokenPosition, ...] = ()


class Endpoint:
    """Where models are asked, and tuned, over the network.

    Without a `base_url` it is that of the environment (`OPENAI_BASE_URL`), or the hosted one.
    Without a `key` it is `OPENAI_API_KEY` of the environment, or of a `.env` file in the current
    folder. Raises `UsageError` for a `base_url` that is none, or that has a secret in it: it is
    written into results.

    >>> Endpoint("http://127.0.0.1:8000/v1", key="a secret")
    Endpoint('http://127.0.0.1:8000/v1')
    """

    def __init__(self, base_url: str | None = None, key: str | None = None) -> None:
        require_packages("openai")
        self.address = _checked(base_url or os.environ.get(BASE_URL) or HOSTED)
        self._key = key or os.environ.get(KEY) or _key_of(DOTENV)

    def __repr__(self) -> str:
        return f"Endpoint({self.address!r})"

    @cached_property
    def client(self) -> OpenAI:
        """The client of the `openai` package. Ask it within `explained`.

        Raises `ExperimentError` where there is no key for the hosted endpoint.
        """
        from openai import OpenAI

        if not self._key and self.address == HOSTED:
            raise ExperimentError(
                f"there is no key for {HOSTED}",
                f"set {KEY} in the environment, or write `{KEY}=…` into a file .env here",
            )
        return OpenAI(
            base_url=self.address,
            api_key=self._key or NO_KEY,
            max_retries=RETRIES,
            timeout=TIMEOUT,
        )

    def chat(self, request: ChatRequest) -> Reply:
        """The reply to a chat.

        Raises `RefusedError` for what this endpoint won't answer, and `ExperimentError` for all
        else that goes wrong, log-probabilities asked for and not given among it.
        """
        with self.explained(f"asking {request.model}"):
            return _reply(self.client.chat.completions.create(**_words(request)), request)

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn what the client raises into errors that say what to do, the key in none of them."""
        from openai import OpenAIError

        try:
            yield
        # A ValueError or TypeError: what came is no JSON, or is not what was asked for.
        except (OpenAIError, AttributeError, ValueError, TypeError) as error:
            raise self._error(doing, error) from None  # the cause holds the request, key and all

    def _error(self, doing: str, error: Exception) -> ExperimentError:
        import openai

        what = f"{doing} at {self.address} failed"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            # What it says may quote the key.
            return ExperimentError(f"{what}: the key is refused", f"set another {KEY}")
        if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            return RefusedError(f"{what}: {self._told(error)}", "change the request")
        if isinstance(error, openai.NotFoundError):
            return ExperimentError(f"{what}: {self._told(error)}", "check the model and --base-url")
        if isinstance(error, openai.RateLimitError):
            told = f"{what}: {self._told(error)}"
            return UnavailableError(told, "wait, or add credit; then run it again: it resumes")
        if isinstance(error, openai.APITimeoutError):
            return UnavailableError(f"{what}: no answer within {TIMEOUT:.0f} s", "run it again")
        if isinstance(error, openai.APIConnectionError):
            hint = "check the network and --base-url, then run it again: it resumes"
            return UnavailableError(f"{what}: no connection, or it was cut", hint)
        if isinstance(error, openai.APIStatusError):
            told = f"{what}: {error.status_code}, {self._told(error)}"
            return UnavailableError(told, "run it again later: it resumes")
        return ExperimentError(
            f"{what}: the response can't be read",
            "check that --base-url ends in /v1",
        )

    def _told(self, error: APIError) -> str:
        """What the endpoint says was wrong, in one line, without the key if it quotes it."""
        told = error.body.get("message") if isinstance(error.body, dict) else error.message
        line = " ".join(str(told or error.message).split())
        return (line.replace(self._key, "…") if self._key else line)[:LONGEST_TOLD]


def _checked(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        raise UsageError("the address of the endpoint is invalid", MEND_ADDRESS) from None
    if parts.username or parts.password or parts.query:
        raise UsageError(
            f"the address of {parts.hostname} has a user, a password or a query in it",
            f"set the key as {KEY}: addresses are written into results",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{address!r} is not the address of an endpoint", MEND_ADDRESS)
    return address.rstrip("/")


def _key_of(file: Path) -> str | None:
    """The key in a file of lines such as `OPENAI_API_KEY=…`; `export` and quotes are allowed."""
    if not file.exists():
        return None
    lines = read_text(file).splitlines()
    for line in lines:
        name, _, value = line.strip().removeprefix("export ").partition("=")
        if name.strip() == KEY:
            return value.strip().strip("'\"") or None
    return None


def _words(request: ChatRequest) -> dict[str, Any]:
    """The request as the client takes it."""
    words: dict[str, Any] = {
        "model": request.model,
        "messages": [message.model_dump() for message in request.messages],
        "max_completion_tokens": request.max_tokens,
    }
    if request.temperature is not None:
        words["temperature"] = request.temperature
    if request.top_logprobs:
        words |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    return words


def _reply(answer: ChatCompletion, request: ChatRequest) -> Reply:
    """Raises `AttributeError`, `TypeError` or `ValueError` for what is no chat completion."""
    if not answer.choices:
        raise ValueError("no choices")
    choice, usage = answer.choices[0], answer.usage
    text = choice.message.content or ""
    told = choice.logprobs.content if choice.logprobs else None
    if request.top_logprobs and text and not told:
        raise ExperimentError(
            f"{request.model} was asked for log-probabilities and gave none",
            "use an endpoint that gives them; `transformers serve`, for one, does not",
        )
    return Reply(
        text=text,
        finish=choice.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        places=tuple(
            TokenPosition(written=_token(one), likeliest=tuple(map(_token, one.top_logprobs)))
            for one in (told or [])
        ),
    )


def _token(told: ChatCompletionTokenLogprob | TopLogprob) -> ReplyToken:
    data = told.token.encode() if told.bytes is None else bytes(told.bytes)
    return ReplyToken(text=told.token, data=tuple(data), logprob=told.logprob)
