"""The bet at an OpenAI-compatible API: tuned by its fine-tuning jobs, seen through five tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from the_experiment.base.errors import ExperimentError
from the_experiment.experiments.bet.backends import Bounds
from the_experiment.experiments.bet.config import APIModel
from the_experiment.experiments.bet.jobs import JobSettings, TuningJob, as_turn
from the_experiment.experiments.bet.observed import observed
from the_experiment.models.endpoint import ChatRequest, Endpoint, Message
from the_experiment.models.replies import Replies

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
            observed(reply.places if reply else (), as_turn(answer))
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
