"""The configuration of a bet: one YAML file, read into a frozen model and kept in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from the_experiment.base.choices import Device, Loss, Method, PrecisionChoice
from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_text, write_text
from the_experiment.base.names import NAME
from the_experiment.base.problems import first_problem
from the_experiment.base.runs import BETS
from the_experiment.base.strict import Strict
from the_experiment.base.strict_yaml import read_strictly
from the_experiment.experiments.bet.prompts import BET, CAPITAL_FIRST, PHRASINGS, Phrasing

CONFIG = "config.yaml"
QUICK = "quick"

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


class Cell(Strict):
    """One way to run the bet with one seed."""

    seed: int
    names: int
    phrasing: Phrasing
    epochs: int
    loss: Loss

    @property
    def data(self) -> str:
        """What the rows of the cell are called: they are the same for any epochs and loss."""
        return f"seed-{self.seed}/{self.names}-names-{self.phrasing.name}"

    @property
    def key(self) -> str:
        """What the cell is called."""
        return f"{self.data}-{self.epochs}-epochs-{self.loss}"


class BetConfig(Strict):
    """A bet file. Every combination of the lists is run: none is chosen afterwards."""

    name: str = Field("favourites", pattern=NAME)
    backend: AnyModel = LocalModel()
    seeds: Seeds = Field([1, 2, 3])
    names: Counts = Field([10, 30])  # that are tuned on
    epochs: Counts = Field([20, 40, 80])
    phrasings: Phrasings = Field([BET, CAPITAL_FIRST])
    losses: Losses = Field(["completion", "all"])
    known: int = Field(40, ge=2)  # names of the pre-check

    @model_validator(mode="after")
    def _has_different_phrasings(self) -> BetConfig:
        _different([phrasing.name for phrasing in self.phrasings])
        return self

    @model_validator(mode="after")
    def _can_be_tuned_there(self) -> BetConfig:
        if isinstance(self.backend, APIModel):
            if self.losses != ["completion"]:
                raise ValueError("an API trains on completions alone: set losses: [completion]")
            if self.backend.resume_job_id and len(list(self.cells())) > 1:
                raise ValueError("resume_job_id goes with one way to run the bet, and one seed")
        return self

    def quick(self) -> BetConfig:
        """The ends of names, epochs and phrasings, and one loss; all seeds: bases differ."""
        few = {
            "names": _ends(self.names),
            "epochs": _ends(self.epochs),
            "phrasings": _ends(self.phrasings),
            "losses": self.losses[:1],
        }
        return self.model_copy(update=few)

    def cells(self) -> Iterator[Cell]:
        """Every cell, seed by seed within each way."""
        for phrasing in self.phrasings:
            for names in self.names:
                for loss in self.losses:
                    for epochs in self.epochs:
                        for seed in self.seeds:
                            yield Cell(
                                seed=seed, names=names, phrasing=phrasing, epochs=epochs, loss=loss
                            )

    def to_yaml(self) -> str:
        """YAML with every key, phrasings written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_config(path: Path | None) -> BetConfig:
    """The bet in a YAML file; without one, the bet that ships.

    Raises `ExperimentError` that names the key which is wrong, and where it stands.
    """
    if path is None:
        return BetConfig()
    read = read_strictly(read_text(path), str(path))
    try:
        return BetConfig.model_validate(read.value or {})
    except ValidationError as error:
        problem = first_problem(error)
        key = ".".join(str(part) for part in problem.path if part not in ("local", "hf", "openai"))
        where = read.with_place(key) if key else "file"
        raise UsageError(f"{path}: {where}: {problem.what}") from None


def write_new_config(path: Path) -> None:
    """Write the bet that ships as a file to edit. Raises `UsageError` where a file is there."""
    if path.exists():
        raise UsageError(f"{path} already exists", "choose another name")
    write_text(path, BetConfig().to_yaml())


def bet_folder(config: BetConfig, out: Path, *, quick: bool) -> Path:
    """Where a bet's results lie: `out/bet/NAME`, and in `quick` there for the small one."""
    return out / BETS / config.name / (QUICK if quick else "")


def claim(folder: Path, config: BetConfig) -> None:
    """Write the configuration into the folder, or see that it is the one there.

    Raises `UsageError` where the folder is another bet's, or something else.
    """
    place = folder / CONFIG
    if place.is_file():
        if read_config(place) != config:
            raise UsageError(
                f"{folder} is a bet with another configuration",
                f"give this one another `name`, or run with --config {place}",
            )
        return
    if folder.is_dir() and any(one.name != QUICK for one in folder.iterdir()):
        raise UsageError(
            f"{folder} already exists and is not a bet folder", "give this one another `name`"
        )
    write_text(place, config.to_yaml())
