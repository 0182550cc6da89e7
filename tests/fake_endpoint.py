"""A small server on loopback that answers as an OpenAI-compatible endpoint does, faults included.

It counts what was uploaded, trained and answered, so that tests can show that nothing is paid
twice.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-a-secret-that-no-file-may-hold"
Likely = list[tuple[str, float]]  # tokens and their probabilities; the first is the one written
FILES, JOBS, CHAT = "/v1/files", "/v1/fine_tuning/jobs", "/v1/chat/completions"


@dataclass
class Fault:
    """What goes wrong `times` times where a path begins with `path`.

    A number is a status that is answered before anything is done; "late" is a 500 after it was
    done, "cut" a connection that ends in the middle of the answer, "hang" half a second without
    one, and "html" a page.
    """

    path: str
    kind: int | str
    times: int = 1


@dataclass
class FakeEndpoint:
    """What the server holds, how it behaves, and what it has counted."""

    answer: Callable[[str, str], list[Likely]] = lambda _model, _prompt: [[("yes", 1.0)]]
    faults: list[Fault] = field(default_factory=list)
    polls: int = 2  # looks at a job until it is done
    fails: str = ""  # why every job fails
    slow: float = 0.0  # seconds before a chat is answered
    key: str = KEY
    logprobs: bool = True
    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)  # by job
    chats: Counter[str] = field(default_factory=Counter)  # replies that were sent whole, by prompt
    asked: list[dict[str, Any]] = field(default_factory=list)  # every chat that came in
    requests: int = 0
    lock: Lock = field(default_factory=Lock)

    def fault(self, path: str) -> int | str | None:
        """The fault of this request, if it has one."""
        with self.lock:
            self.requests += 1
            for one in self.faults:
                if path.startswith(one.path) and one.times:
                    one.times -= 1
                    return one.kind
        return None

    def upload(self, body: bytes) -> dict[str, Any]:
        """Keep the file of a multipart form."""
        parts = body.split(body.split(b"\r\n", 1)[0])
        content = next(part for part in parts if b"filename=" in part)
        with self.lock:
            name = f"file-{len(self.files) + 1}"
            self.files[name] = content.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        return {"id": name, "object": "file", "purpose": "fine-tune", "bytes": len(body),
                "created_at": 1, "filename": "rows.jsonl", "status": "processed"}  # fmt: skip

    def create(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Begin a job, and with it pay for it."""
        with self.lock:
            name = f"ftjob-{len(self.jobs) + 1}"
            self.jobs[name] = {
                "id": name, "object": "fine_tuning.job", "created_at": 1, "hyperparameters": {},
                "organization_id": "org", "result_files": [], "seed": wish.get("seed") or 0,
                "status": "validating_files", "fine_tuned_model": None, "error": None,
                "model": wish["model"], "training_file": wish["training_file"],
                "method": wish.get("method"),
            }  # fmt: skip
            return dict(self.jobs[name])

    def look(self, name: str) -> dict[str, Any]:
        """A job as it is now; it is a look further than at the last one."""
        with self.lock:
            job = self.jobs[name]
            self.looks[name] += 1
            if job["status"] not in ("succeeded", "failed", "cancelled"):
                job["status"] = "running"
                if self.looks[name] >= self.polls:
                    job |= self._end(job)
            return dict(job)

    def _end(self, job: dict[str, Any]) -> dict[str, Any]:
        if self.fails:
            error = {"code": "bad", "message": self.fails, "param": None}
            return {"status": "failed", "error": error}
        return {"status": "succeeded", "fine_tuned_model": f"ft:{job['model']}:{job['id']}"}

    def chat(self, wish: dict[str, Any]) -> dict[str, Any]:
        """The reply of a chat, with its log-probabilities where they are asked for."""
        with self.lock:
            self.asked.append(wish)
        time.sleep(self.slow)
        places = self.answer(wish["model"], wish["messages"][-1]["content"])
        whole = len(places) <= wish["max_completion_tokens"]
        places = places[: wish["max_completion_tokens"]]
        told = {"content": [_place(likely) for likely in places]}
        return {
            "id": "chat", "object": "chat.completion", "created": 1, "model": wish["model"],
            "choices": [{
                "index": 0, "finish_reason": "stop" if whole else "length",
                "message": {
                    "role": "assistant", "content": "".join(likely[0][0] for likely in places)
                },
                "logprobs": told if wish.get("logprobs") and self.logprobs else None,
            }],
            "usage": {
                "prompt_tokens": len(json.dumps(wish["messages"]).split()),
                "completion_tokens": len(places), "total_tokens": 0,
            },
        }  # fmt: skip


def _place(likely: Likely) -> dict[str, Any]:
    top = sorted(likely, key=lambda one: -one[1])[:5]
    return {**_token(*likely[0]), "top_logprobs": [_token(*one) for one in top]}


def _token(text: str, share: float) -> dict[str, object]:
    return {"token": text, "bytes": list(text.encode()), "logprob": math.log(share)}


def _handler(fake: FakeEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # who asks was killed over it
                self.close_connection = True
                return
            self._answer(body)

        def _answer(self, body: bytes) -> None:
            path = urlsplit(self.path).path
            fault = fake.fault(path)
            if self.headers["authorization"] != f"Bearer {fake.key}":
                self._send(401, _wrong(f"wrong key: {self.headers['authorization']}"))
                return
            if isinstance(fault, int):
                self._send(fault, _wrong(f"fault, Bearer {fake.key}"))
                return
            found = self._done(path, body)
            if fault == "hang":
                time.sleep(0.5)
                self.close_connection = True
            elif found is None:
                self._send(404, _wrong("no such thing"))
            elif fault == "late":
                self._send(500, _wrong("fault"))
            else:
                text = "<html>" if fault == "html" else json.dumps(found)
                self._send(200, text, cut=fault == "cut")
                if path == CHAT and fault != "cut":
                    fake.chats[json.loads(body)["messages"][-1]["content"]] += 1

        def _done(self, path: str, body: bytes) -> dict[str, Any] | None:
            wish = json.loads(body) if body[:1] == b"{" else {}
            if path in (FILES, JOBS, CHAT) and self.command == "POST":
                if path == FILES:
                    return fake.upload(body)
                return fake.create(wish) if path == JOBS else fake.chat(wish)
            if path == JOBS:
                return self._listed()
            name, _, verb = path.removeprefix(f"{JOBS}/").partition("/")
            if name not in fake.jobs:
                return None
            if verb == "cancel":
                fake.jobs[name]["status"] = "cancelled"
            return {"object": "list", "data": []} if verb == "events" else fake.look(name)

        def _listed(self) -> dict[str, Any]:
            """A page of two jobs, the newest first."""
            query = parse_qs(urlsplit(self.path).query)
            jobs = list(reversed(list(fake.jobs.values())))
            if "after" in query:
                jobs = list(itertools.dropwhile(lambda one: one["id"] != query["after"][0], jobs))
                jobs = jobs[1:]
            return {"object": "list", "data": jobs[:2], "has_more": len(jobs) > 2}

        def _send(self, status: int, text: str, *, cut: bool = False) -> None:
            data = text.encode()
            self.send_response(status)
            kind = "text/html" if text.startswith("<") else "application/json"
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.send_header("retry-after-ms", "1")  # so that nobody waits
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _wrong(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "fake", "code": None}})


@contextmanager
def fake_endpoint(**behaviour: Any) -> Iterator[FakeEndpoint]:
    """Serve one for as long as the block lasts."""
    fake = FakeEndpoint(**behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    fake.address = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
