"""The bet: tuned on one branch of a conditional, does a model keep the other?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from typing_extensions import Self

from the_experiment.base.defaults import Chat, Device, Loss, Method, PrecisionChoice
from the_experiment.base.names import NAME
from the_experiment.base.runs import BETS
from the_experiment.base.strict import Strict
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome
from the_experiment.experiments.bet.prompts import BET, CAPITAL_FIRST, PHRASINGS, Phrasing
from the_experiment.experiments.experiment import KINDS, Experiment

QUESTION = "Fine-tuned on one branch of a conditional, does a model keep the other?"
Thing = TypeVar("Thing")


def _different(things: list[Thing]) -> list[Thing]:
    for thing in things:
        if things.count(thing) > 1:
            raise ValueError(f"{thing} comes twice")
    return things


def _ends(things: list[Thing]) -> list[Thing]:
    return [*things[:1], *things[1:][-1:]]


def _shipped(phrasing: Any) -> Any:
    """A phrasing that ships, by its name; one of one's own as it is."""
    if isinstance(phrasing, str) and phrasing not in PHRASINGS:
        raise ValueError(f"no phrasing {phrasing!r} ships; there are {', '.join(PHRASINGS)}")
    return PHRASINGS[phrasing] if isinstance(phrasing, str) else phrasing


Count = Annotated[int, Field(ge=1)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(_different)]
Seeds = Annotated[
    list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_different)
]
Losses = Annotated[list[Loss], Field(min_length=1), AfterValidator(_different)]
OnePhrasing = Annotated[Phrasing, BeforeValidator(_shipped)]
Phrasings = Annotated[list[OnePhrasing], Field(min_length=1), AfterValidator(_different)]


class LocalModel(Strict):
    """A small GPT-2 that is first trained here, from nothing, on a corpus made for the bet."""

    kind: Literal["local"] = "local"
    countries: int = Field(40, ge=2)  # that it learns of, drawn from the table
    taught: int = Field(200, ge=1)  # names whose favourite it learns in both branches
    corpus_rows: int = Field(80_000, ge=1)
    layers: int = Field(4, ge=1)
    width: int = Field(128, ge=1)
    heads: int = Field(4, ge=1)
    base_learning_rate: float = Field(1e-3, gt=0)
    base_batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(3e-4, gt=0)  # of the tuning, as is the next
    batch_size: int = Field(4, ge=1)


class PretrainedModel(Strict):
    """A model that there is: a folder, a trained model by name, or a name on the hub."""

    kind: Literal["hf"]
    model: str
    method: Method = "lora"
    lora_rank: int = Field(64, ge=1)
    learning_rate: float = Field(3e-4, gt=0)
    batch_size: int = Field(4, ge=1)
    device: Device = "auto"
    precision: PrecisionChoice = "auto"
    chat: Chat = "auto"  # how it is asked: in its chat template if it has one
    shots: int = Field(0, ge=0)  # solved examples before each prompt, in TRAIN and TEST by turns


class APIModel(Strict):
    """A model at an OpenAI-compatible API, which is tuned there; `auto` leaves it to the API."""

    kind: Literal["openai"]
    model: str
    base_url: str | None = None  # None: OPENAI_BASE_URL of the environment, or the hosted one
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    learning_rate_multiplier: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    poll_every: float = Field(20.0, gt=0)  # seconds
    workers: int = Field(8, ge=1)  # prompts under way at a time
    resume_job_id: dict[str, str] = Field({})  # by arm: jobs that are there already


AnyModel = Annotated[LocalModel | PretrainedModel | APIModel, Field(discriminator="kind")]


class Variant(Strict):
    """One way to run the bet with one seed."""

    seed: int
    names: int
    phrasing: Phrasing
    epochs: int
    loss: Loss

    @property
    def title(self) -> str:
        """A readable name of it."""
        return (
            f"seed {self.seed} {self.names} names {self.phrasing.name} {self.epochs} epochs "
            f"{self.loss}"
        )


@KINDS.register("bet")
class BetExperiment(Experiment):
    """A bet file. Every combination of the lists is run: none is chosen afterwards."""

    parent: ClassVar[str] = BETS

    kind: Literal["bet"] = "bet"
    name: str = Field("favourites", pattern=NAME)
    question: str = QUESTION
    backend: AnyModel = LocalModel()
    seeds: Seeds = Field([1, 2, 3])
    names: Counts = Field([10, 30])  # that are tuned on
    epochs: Counts = Field([20, 40, 80])
    phrasings: Phrasings = Field([BET, CAPITAL_FIRST])
    losses: Losses = Field(["completion", "all"])
    known: int = Field(40, ge=2)  # names of the pre-check

    @model_validator(mode="after")
    def _has_different_phrasings(self) -> Self:
        _different([phrasing.name for phrasing in self.phrasings])
        return self

    @model_validator(mode="after")
    def _can_be_tuned_there(self) -> Self:
        if isinstance(self.backend, APIModel):
            if self.losses != ["completion"]:
                raise ValueError("an API trains on completions alone: set losses: [completion]")
            if self.backend.resume_job_id and len(list(self.variants())) > 1:
                raise ValueError("resume_job_id goes with one way to run the bet, and one seed")
        return self

    def in_small(self) -> Self:
        """The ends of names, epochs and phrasings, and one loss; all seeds: bases differ."""
        few = {
            "names": _ends(self.names),
            "epochs": _ends(self.epochs),
            "phrasings": _ends(self.phrasings),
            "losses": self.losses[:1],
        }
        return self.model_copy(update=few)

    def variants(self) -> Iterator[Variant]:
        """All of them, seed by seed within each way."""
        for phrasing in self.phrasings:
            for names in self.names:
                for loss in self.losses:
                    for epochs in self.epochs:
                        for seed in self.seeds:
                            yield Variant(
                                seed=seed, names=names, phrasing=phrasing, epochs=epochs, loss=loss
                            )

    @property
    def jobs(self) -> int:
        """Small models one a core, others alone."""
        return 0 if isinstance(self.backend, LocalModel) else 1

    @property
    def costs_money(self) -> bool:
        """An API is paid by the token."""
        return isinstance(self.backend, APIModel)

    def summary(self) -> Mapping[str, str]:
        """The model, what it is tuned on, and how often."""
        model = getattr(self.backend, "model", "a small GPT-2 that is trained here first")
        return {
            "model": f"{model}; seeds {self.seeds}",
            "names": ", ".join(map(str, self.names)),
            "epochs": ", ".join(map(str, self.epochs)),
            "phrasings": ", ".join(one.name for one in self.phrasings),
            "losses": ", ".join(self.losses),
        }

    def cells(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """What each model finds likely: the base, and that of each arm in each variant."""
        from the_experiment.experiments.bet.cells import Graph

        return Graph(self.in_small() if quick else self, out).answers

    def first(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """What is asked before any tuning."""
        cells = self.cells(out, quick=quick)
        return {which: cell for which, cell in cells.items() if which[0] != "after"}

    def rest(self, results: Mapping[Any, Any], out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """No tuned models of the ways to run the bet whose pre-check fails."""
        from the_experiment.experiments.bet.results import worth_tuning

        tuned = worth_tuning(self.in_small() if quick else self, results)
        cells = self.cells(out, quick=quick)
        return {
            which: cell for which, cell in cells.items() if which[0] != "after" or which[1] in tuned
        }

    def outcome(self, results: Mapping[Any, Any], *, quick: bool) -> Outcome:
        """The bet's criteria and a verdict for each way to run it."""
        from the_experiment.experiments.bet.analysis import outcome_of

        return outcome_of(self.in_small() if quick else self, results)

    def to_yaml(self) -> str:
        """YAML with every key that has a value, phrasings written out."""
        told = self.model_dump(mode="json", exclude_none=True)
        return yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
