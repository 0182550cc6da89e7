"""Experiment cards: what was asked of which model and what came out, to be run again anywhere."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json, sha256
from the_experiment.base.registry import Registry
from the_experiment.base.strict import Strict, first_problem
from the_experiment.base.words import counted
from the_experiment.engine.outcome import Outcome, differences
from the_experiment.inside.subject import Subject

CARD = "card.json"
ANOTHER = "name the card.json that one of these verbs has written"


AnyRequest = TypeVar("AnyRequest", bound="VerbRequest")


class VerbRequest(Strict, ABC):
    """What one verb is asked of one model: all that its finding depends on."""

    verb: ClassVar[str]  # the name that the decorator gives it

    @abstractmethod
    def run(self, subject: Subject) -> Outcome:
        """Find it out. Raises `UsageError` for what can't be asked of this model."""

    def together(self, found: Sequence[tuple[Subject, Outcome]]) -> Outcome:
        """What the findings for several models say: each for itself, unless a verb knows more."""
        return Outcome(
            [one for _, finding in found for one in finding.maps],
            {subject.name: finding.figures for subject, finding in found},
            [f"{subject.name}: {told}" for subject, finding in found for told in finding.sentences],
        )

    def run_on(self, subjects: Sequence[Subject]) -> Outcome:
        """Find it out for one model or several."""
        found = [(subject, self.run(subject)) for subject in subjects]
        return found[0][1] if len(found) == 1 else self.together(found)


REQUESTS: Registry[type[VerbRequest]] = Registry(
    "verb", "the_experiment.inside.verbs", "the_experiment.verbs"
)


def verb(name: str) -> Callable[[type[AnyRequest]], type[AnyRequest]]:
    """Decorator: cards of this verb are requests of the class below it."""

    def add(kind: type[AnyRequest]) -> type[AnyRequest]:
        kind.verb = name
        REQUESTS.register(name)(kind)
        return kind

    return add


class InspectedModel(Strict):
    """A model that was looked into."""

    folder: str  # of the run
    weights: str  # SHA-256


class Card(Strict):
    """One request to one model or several, and what came out of it."""

    verb: str
    request: dict[str, Any]
    models: tuple[InspectedModel, ...]
    version: str
    finding: dict[str, Any]

    @property
    def names(self) -> str:
        """The models' names, or the first one's and how many more there are."""
        first, *more = (Path(model.folder).name for model in self.models)
        return f"{first} and {len(more)} more" if more else first


def card_of(request: VerbRequest, subjects: Sequence[Subject], finding: Outcome) -> Card:
    """The card of a request that was just run."""
    looked = [
        InspectedModel(folder=str(one.trained.run.folder.resolve()), weights=_weights(one))
        for one in subjects
    ]
    return Card(
        verb=request.verb,
        request=request.model_dump(mode="json"),
        models=tuple(looked),
        version=version("the-experiment"),
        finding=finding.as_json(),
    )


def read_card(path: Path) -> Card:
    """The card in a file, or in a folder. Raises `ExperimentError` for a file that is none."""
    path = path / CARD if path.is_dir() else path
    try:
        card = Card.model_validate(read_json(path, ANOTHER))
    except ValidationError as error:
        raise ExperimentError(f"{path} is not a card: {first_problem(error)}", ANOTHER) from None
    if card.verb not in REQUESTS.names():
        known = ", ".join(REQUESTS.names())
        raise ExperimentError(f"{path} is a card of {card.verb!r}, not of {known}", ANOTHER)
    return card


def replay_card(card: Card, subjects: Sequence[Subject]) -> tuple[Outcome, list[str]]:
    """Run a card again: what comes out now, and where it differs from what the card says.

    Raises `ExperimentError` where a model isn't the one that the card was made with.
    """
    if len(subjects) != len(card.models):
        raise UsageError(
            f"this card is for {counted(len(card.models), 'model')}, not {len(subjects)}",
            "name each of them with --model",
        )
    for model, subject in zip(card.models, subjects, strict=True):
        if _weights(subject) != model.weights:
            raise ExperimentError(
                f"{subject.name} has different weights from the card's model",
                "train it again with the same seed, or name the model with --model",
            )
    finding = REQUESTS[card.verb].checked(**card.request).run_on(subjects)
    return finding, differences(card.finding, finding.as_json())


def _weights(subject: Subject) -> str:
    """The SHA-256 of its weights; of those of all files, where they are in several."""
    hashes = [sha256(file) for file in sorted(subject.trained.run.final.glob("*.safetensors"))]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
