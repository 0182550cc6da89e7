"""The bet at an OpenAI-compatible API: fine-tuning jobs there, seen through five tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loguru import logger
from pydantic import ValidationError

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_jsonl, sha256, write_json
from the_experiment.base.runs import Run
from the_experiment.experiments.bet.asked import bounds_of
from the_experiment.experiments.bet.backends import Bounds
from the_experiment.experiments.bet.config import APIModel
from the_experiment.models.endpoint import (
    RETRIES,
    ChatRequest,
    Endpoint,
    Message,
    Record,
    UnavailableError,
)
from the_experiment.models.replies import Replies
from the_experiment.training.run_lock import RunLock

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob


JOB = "job.json"
FIRST_WAIT = 0.5  # seconds before a job is asked for again; twice as long each time
JOBS_A_PAGE = 100


class JobSettings(Record):
    """What a job is made with; `auto` leaves it to the endpoint."""

    model: str
    epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    learning_rate_multiplier: float | Literal["auto"] = "auto"
    seed: int = 0


class JobState(Record):
    """How far it is. Written before each step that costs something, and after it."""

    address: str
    settings: JobSettings
    rows: str  # SHA-256
    file: str = ""  # uploaded
    asked: bool = False  # a job may be there, whether or not the endpoint's answer came through
    job: str = ""
    tuned: str = ""  # the model that came out


@dataclass
class TuningJob:
    """The job on the rows of one file, whose state is kept in `folder`.

    Rows are uploaded and a job is made for them once. Where the answer to that was lost, the
    endpoint's list is searched for a job on the uploaded file before another is made. A job that
    failed stays the folder's: its reason is told, and nothing is made anew.
    """

    endpoint: Endpoint
    settings: JobSettings
    rows: Path
    folder: Path
    poll_every: float = 20.0  # seconds

    def model(self, resume_job_id: str = "") -> str:
        """The name of the tuned model, once there is one.

        With `resume_job_id` that job is waited for and none is made. Raises `UsageError` for a
        folder with a job on other rows or with other settings, and `ExperimentError` where the job
        failed or was cancelled, the endpoint can't be reached, or another process waits here.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        hold = RunLock(Run(self.folder))  # two processes would make two jobs
        try:
            state = self._state()
            if resume_job_id and resume_job_id != state.job:
                state = self._kept(state, job=resume_job_id, tuned="")
            if not state.tuned:
                state = self._begun(state)
                state = self._kept(state, tuned=self._waited_for(state.job))
            return state.tuned
        finally:
            hold.release()

    @property
    def _place(self) -> Path:
        return self.folder / JOB

    def _state(self) -> JobState:
        """What the folder says. Raises `UsageError` where it is about another job."""
        new = JobState(
            address=self.endpoint.address, settings=self.settings, rows=sha256(self.rows)
        )
        if not self._place.is_file():
            return new
        try:
            state = JobState.model_validate_json(self._place.read_bytes())
        except ValidationError:
            raise ExperimentError(f"{self._place} is incomplete", "remove it") from None
        same = {"address", "settings", "rows"}
        if state.model_dump(include=same) != new.model_dump(include=same):
            raise UsageError(
                f"{self._place} belongs to a job with other rows or settings",
                "choose another name",
            )
        return state

    def _kept(self, state: JobState, **changed: str | bool) -> JobState:
        state = state.model_copy(update=changed)
        write_json(self._place, state.model_dump(mode="json"))
        return state

    def _begun(self, state: JobState) -> JobState:
        """The state with a job in it."""
        if state.job:
            return state
        if not state.file:
            state = self._kept(state, file=self._uploaded())
        lost = state.asked
        state = self._kept(state, asked=True)
        job = (self._found(state.file) if lost else "") or self._made(state.file)
        logger.info("job {} created; it keeps running at the endpoint if this process stops", job)
        return self._kept(state, job=job)

    def _uploaded(self) -> str:
        """The id of the uploaded rows. A second upload costs nothing, so it is tried again."""
        lines = "".join(f"{line}\n" for line in chat_lines(self.rows)).encode()
        with self.endpoint.explained("uploading the rows"):
            files = self.endpoint.client.files
            return files.create(file=(f"{self.folder.name}.jsonl", lines), purpose="fine-tune").id

    def _made(self, file: str) -> str:
        """The id of a new job; after an answer that may have been lost, of one that is there."""
        for attempt in range(RETRIES):
            try:
                return self._create(file)
            except UnavailableError as error:
                logger.warning("{}; retrying", error.what)
            time.sleep(FIRST_WAIT * 2**attempt)
            if job := self._found(file):
                return job
        return self._create(file)

    def _create(self, file: str) -> str:
        settings = self.settings
        with self.endpoint.explained("creating the job"):
            # The client's own retries would not look for a job whose answer was lost.
            jobs = self.endpoint.client.with_options(max_retries=0).fine_tuning.jobs
            job = jobs.create(
                model=settings.model,
                training_file=file,
                seed=settings.seed,
                method={
                    "type": "supervised",
                    "supervised": {
                        "hyperparameters": {
                            "n_epochs": settings.epochs,
                            "batch_size": settings.batch_size,
                            "learning_rate_multiplier": settings.learning_rate_multiplier,
                        }
                    },
                },
            )
            return job.id

    def _found(self, file: str) -> str:
        """The id of a job on an uploaded file; nothing where there is none."""
        with self.endpoint.explained("looking for the job"):
            jobs = self.endpoint.client.fine_tuning.jobs.list(limit=JOBS_A_PAGE)
            return next((job.id for job in jobs if job.training_file == file), "")

    def _waited_for(self, job: str) -> str:
        told = ""
        while True:
            with self.endpoint.explained(f"looking at job {job}"):
                found = self.endpoint.client.fine_tuning.jobs.retrieve(job)
                status = found.status
            if status != told:
                logger.info("job {}: {}", job, status)
                told = status
            if status == "succeeded" and found.fine_tuned_model:
                return found.fine_tuned_model
            if status in ("failed", "cancelled"):
                raise ExperimentError(
                    f"job {job} {status}: {self._why(found)}",
                    f"fix that, then remove {self._place} for a new job",
                )
            time.sleep(self.poll_every)

    def _why(self, job: FineTuningJob) -> str:
        if job.error and job.error.message:
            return job.error.message
        with self.endpoint.explained(f"asking why job {job.id} ended"):
            events = self.endpoint.client.fine_tuning.jobs.list_events(job.id, limit=1).data
            return events[0].message if events else "no reason given"


def chat_lines(rows: Path) -> Iterator[str]:
    """Each row as a chat of two turns: the prompt is the user's, the completion the model's.

    A completion loses the space that parts it from a prompt that it follows: see `as_turn`. Raises
    `ExperimentError` with the number of a line that has no prompt, or no completion.
    """
    for number, row in enumerate(read_jsonl(rows), start=1):
        turns = [("user", row.get("prompt")), ("assistant", row.get("completion"))]
        if not all(isinstance(text, str) and text for _, text in turns):
            raise ExperimentError(
                f"{rows}, line {number} has no prompt, or no completion", "fix that line"
            )
        messages = [{"role": role, "content": as_turn(str(text))} for role, text in turns]
        yield json.dumps({"messages": messages}, ensure_ascii=False)


def as_turn(text: str) -> str:
    """A text as a turn of a chat, which begins without the space that follows a prompt.

    >>> as_turn(" France")
    'France'
    """
    return text.removeprefix(" ")


ANSWER_TOKENS = 16  # of a reply: enough for a country or a capital
LIKELIEST = 5  # as many as every such API gives


@dataclass(frozen=True)
class OpenAIBackend:
    """A `Backend`: models are names at the API, `settings.model` the one before any tuning.

    An API computes its loss on completions only. Replies are kept in `replies`, one file for each
    model and prompt: nothing is asked, or trained, twice. `resume` has, by arm, jobs that are there
    already and are to be waited for.
    """

    endpoint: Endpoint
    settings: JobSettings
    replies: Path
    resume: Mapping[str, str] = field(default_factory=dict)
    poll_every: float = 20.0  # seconds
    workers: int = 8

    @property
    def base(self) -> str:
        """The model that every arm begins with."""
        return self.settings.model

    def tuned(self, arm: str, rows: Path, folder: Path) -> str:
        """Train on `rows` at the API, or wait for the job that `folder` tells of: the model's name.

        Raises what `TuningJob.model` raises.
        """
        job = TuningJob(self.endpoint, self.settings, rows, folder, self.poll_every)
        return job.model(self.resume.get(arm, ""))

    def logprobs(self, model: str, asked: Sequence[tuple[str, str]]) -> list[Bounds]:
        """Bounds of the log-probability of each answer: see `observed` for what can be known.

        Each prompt is asked once, however many answers are looked for in its reply. An answer
        begins its turn, without the space that follows a prompt elsewhere. Raises `ExperimentError`
        for a prompt that is refused, and where no log-probabilities are given.
        """
        replies = Replies(self.endpoint, self.replies, self.workers)
        requests = [_request(model, prompt) for prompt, _ in asked]
        if refused := replies.ask(requests):
            raise ExperimentError(refused[0], "change the prompts, or ask another model")
        found = [replies.kept(request) for request in requests]
        return [
            bounds_of(reply.places if reply else (), as_turn(answer))
            for reply, (_, answer) in zip(found, asked, strict=True)
        ]


def api_backend(model: APIModel, epochs: int, seed: int, replies: Path) -> OpenAIBackend:
    """The backend that a bet's configuration names; nothing is asked yet."""
    settings = JobSettings(
        epochs=epochs,
        seed=seed,
        **model.model_dump(include={"model", "batch_size", "learning_rate_multiplier"}),
    )
    return OpenAIBackend(
        Endpoint(model.base_url),
        settings,
        replies,
        model.resume_job_id,
        model.poll_every,
        model.workers,
    )


def _request(model: str, prompt: str) -> ChatRequest:
    return ChatRequest(
        model=model,
        messages=(Message(role="user", content=prompt),),
        max_tokens=ANSWER_TOKENS,
        temperature=0.0,  # at another, some endpoints tell scaled probabilities
        top_logprobs=LIKELIEST,
    )
