"""Replies that are paid once: each lands in a file of its own, and is read from there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from loguru import logger
from pydantic import ValidationError

from the_experiment.base.files import locked, write_text
from the_experiment.base.words import counted
from the_experiment.models.endpoint import ChatRequest, Endpoint, Record, RefusedError, Reply

LOCK = ".lock"


class PendingReply(Record):
    """A request and the reply to it, as a file keeps them."""

    address: str
    request: ChatRequest
    reply: Reply


@dataclass(frozen=True)
class Replies:
    """Asks an endpoint, `workers` requests at a time, and keeps what it answers in `folder`.

    A file is named after the request and the endpoint's address. So a killed run, begun again,
    asks only what is missing; what was asked differently is asked anew; and a request that comes
    twice is asked once. A reply that is cut off on its way never landed, and is asked for again.
    """

    endpoint: Endpoint
    folder: Path
    workers: int = 8

    def kept(self, request: ChatRequest) -> Reply | None:
        """The reply in the folder; None where there is none, or no whole one."""
        place = self._place(request)
        try:
            return PendingReply.model_validate_json(place.read_bytes()).reply
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            logger.warning("{} is incomplete: requested again", place)
            return None

    def missing(self, requests: Sequence[ChatRequest]) -> list[ChatRequest]:
        """Those without a reply yet, each once, in order."""
        return [one for one in dict.fromkeys(requests) if self.kept(one) is None]

    def ask(
        self, requests: Sequence[ChatRequest], progress: Callable[[int], None] = lambda _: None
    ) -> list[str]:
        """Ask what is missing, and give what the endpoint said of those that it refuses.

        `progress` is told how many more replies are there. Raises `ExperimentError` for the first
        other thing that goes wrong, once the replies that are under way have landed.
        """
        # Two processes would pay for the same reply.
        with locked(self.folder / LOCK, f"asks into {self.folder}"):
            missing = self.missing(requests)
            return self._ask(missing, progress) if missing else []

    def _ask(self, missing: Sequence[ChatRequest], progress: Callable[[int], None]) -> list[str]:
        _ = self.endpoint.client  # made here: the threads share it
        pool = ThreadPoolExecutor(self.workers)
        try:
            done = [pool.submit(self._landed, one, progress) for one in missing]
            wait(done, return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(cancel_futures=True)
        refused = [why for one in done if not one.cancelled() and (why := one.result())]
        if refused:
            logger.warning("refused: {}; first: {}", counted(len(refused), "prompt"), refused[0])
        return refused

    def _landed(self, request: ChatRequest, progress: Callable[[int], None]) -> str:
        """Ask, and keep the reply; gives why it is refused, if it is."""
        try:
            reply = self.endpoint.chat(request)
        except RefusedError as error:
            return error.what
        asked = PendingReply(address=self.endpoint.address, request=request, reply=reply)
        write_text(self._place(request), asked.model_dump_json(indent=1) + "\n")
        progress(1)
        return ""

    def _place(self, request: ChatRequest) -> Path:
        told = f"{self.endpoint.address} {request.model_dump_json()}"
        return self.folder / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.json"
