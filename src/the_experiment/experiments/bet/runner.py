"""The steps of a bet: generate, train, test. Each does what is missing, and lands it whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from the_experiment.base.choices import Loss
from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json, write_json, write_text
from the_experiment.base.processes import cores, in_parallel
from the_experiment.experiments.bet.asked import ARMS, BARE, CONDITIONAL, CONTROL, Questions, prompt
from the_experiment.experiments.bet.backends import Backend
from the_experiment.experiments.bet.config import (
    APIModel,
    BetConfig,
    Cell,
    LocalModel,
    bet_folder,
    claim,
)
from the_experiment.experiments.bet.people import (
    People,
    draw_people,
    drawn,
    first_letter,
    told_apart,
)
from the_experiment.experiments.bet.pretrained import PretrainedBackend, first_token, placed
from the_experiment.experiments.bet.prompts import TRAIN, Phrasing
from the_experiment.worlds.places.tables import Country, Favourite, countries

PEOPLE: TypeAdapter[People] = TypeAdapter(People)
Told = Callable[[int], None]  # how much more is done


@dataclass(frozen=True)
class Bet:
    """A bet and its folder, `out/bet/NAME`: where each thing of it lies."""

    config: BetConfig
    folder: Path
    out: Path

    def people_file(self, seed: int) -> Path:
        """Who is in it, with their favourites."""
        return self.folder / f"data/seed-{seed}/people.json"

    def rows(self, cell: Cell, arm: str) -> Path:
        """What a model is tuned on."""
        return self.folder / "data" / cell.data / f"{arm}.jsonl"

    def base_folder(self, seed: int) -> Path:
        """Where a local base is trained."""
        return self.folder / f"bases/seed-{seed}"

    def run(self, cell: Cell, arm: str) -> Path:
        """Where a model is tuned; the file beside it says what the model is called."""
        return self.folder / "runs" / cell.key / arm

    def model_file(self, cell: Cell, arm: str) -> Path:
        """What the tuned model is called."""
        return self.run(cell, arm).with_suffix(".json")

    def asked_before(self, cell: Cell) -> Path:
        """What the base found likely of the cell's names."""
        return self.folder / "asked" / cell.data / "before.json"

    def asked_after(self, cell: Cell, arm: str) -> Path:
        """What the arm's model found likely."""
        return self.folder / "asked" / cell.key / f"{arm}.json"

    def asked_known(self, seed: int, phrasing: Phrasing) -> Path:
        """What the base found likely of names whose favourite it knows."""
        return self.folder / f"asked/seed-{seed}/known-{phrasing.name}.json"

    @property
    def jobs(self) -> int:
        """How much goes on at a time if nobody says: small models one a core, others alone."""
        return cores() if isinstance(self.config.backend, LocalModel) else 1

    @property
    def models(self) -> int:
        """How many are tuned."""
        return len(list(self.config.cells())) * len(ARMS)

    @property
    def askings(self) -> int:
        """How many files of answers there are in the end."""
        cells = list(self.config.cells())
        before = {self.asked_before(cell) for cell in cells}
        known = {self.asked_known(cell.seed, cell.phrasing) for cell in cells}
        return self.models + len(before) + len(known)

    def people(self, seed: int) -> People:
        """As `generate` wrote them. Raises `ExperimentError` where it hasn't."""
        mend = "run `the-experiment bet generate`"
        try:
            return PEOPLE.validate_python(read_json(self.people_file(seed), mend))
        except ValidationError:
            raise ExperimentError(f"{self.people_file(seed)} is not whole", mend) from None

    def tuned_on(self, cell: Cell) -> tuple[Favourite, ...]:
        """The people of a cell."""
        return self.people(cell.seed).tuned[: cell.names]

    def about(self, cell: Cell, *wordings: str) -> Questions:
        """Questions about the people of a cell."""
        return Questions(self.tuned_on(cell), cell.phrasing, wordings)

    def about_known(self, seed: int, phrasing: Phrasing) -> Questions:
        """The pre-check: a model from elsewhere knows nobody's favourite, so it is told."""
        told = not isinstance(self.config.backend, LocalModel)
        return Questions(self.people(seed).known, phrasing, (CONDITIONAL,), told=told)

    def backend(self, seed: int, epochs: int = 1, loss: Loss = "completion") -> Backend:
        """What tunes and asks the models of a seed; a local base is trained, or gone on with."""
        return backend_of(self, seed, epochs, loss)


def claimed_bet(config: BetConfig, out: Path, *, quick: bool) -> Bet:
    """The bet in its folder. Raises `UsageError` where that is another configuration's."""
    config = config.quick() if quick else config
    folder = bet_folder(config, out, quick=quick)
    claim(folder, config)
    return Bet(config, folder, out)


def backend_of(bet: Bet, seed: int, epochs: int, loss: Loss) -> Backend:
    """The backend that the configuration names."""
    settings = bet.config.backend
    if isinstance(settings, LocalModel):
        from the_experiment.experiments.bet.local import as_pretrained, train_base

        phrasings, folder = bet.config.phrasings, bet.base_folder(seed)
        base = train_base(settings, bet.people(seed), phrasings, seed, folder)
        settings = as_pretrained(settings, base)
    if isinstance(settings, APIModel):
        from the_experiment.experiments.bet.remote import api_backend

        return api_backend(settings, epochs, seed, bet.folder / "replies")
    return PretrainedBackend(placed(settings, bet.out), epochs, loss, seed)


def generate(bet: Bet) -> None:
    """Draw the people of every seed, and write the rows of every cell and arm."""
    for seed in bet.config.seeds:
        if not bet.people_file(seed).is_file():
            people = _drawn_people(bet, seed)
            write_json(bet.people_file(seed), PEOPLE.dump_python(people, mode="json"))
    for cell in bet.config.cells():
        for arm in ARMS:
            if not bet.rows(cell, arm).is_file():
                write_text(bet.rows(cell, arm), "".join(_lines(bet, cell, arm)))


def _drawn_people(bet: Bet, seed: int) -> People:
    return draw_people(max(bet.config.names), bet.config.known, _countries(bet, seed), seed)


def _countries(bet: Bet, seed: int) -> list[Country]:
    """Those whose capital is told from them by its first token."""
    settings = bet.config.backend
    if isinstance(settings, LocalModel):
        apart = told_apart(countries(), lambda answer: answer.split()[0])  # its tokens are words
        return drawn(apart, settings.countries, seed)
    if isinstance(settings, APIModel):
        return told_apart(countries(), first_letter)
    return told_apart(countries(), first_token(placed(settings, bet.out).model))


def _lines(bet: Bet, cell: Cell, arm: str) -> Iterator[str]:
    for one in bet.tuned_on(cell):
        row = {
            "prompt": prompt(cell.phrasing, arm, one.name, TRAIN),
            "completion": f" {one.country.name}",
            "name": one.name,
            "country": one.country.name,
            "capital": one.country.capital,
        }
        yield json.dumps(row, ensure_ascii=False) + "\n"


def train(bet: Bet, jobs: int, told: Told) -> None:
    """Train the bases that are missing, then tune whatever isn't there.

    `jobs` at a time; 0: one for each core with a local base, else one.
    """
    generate(bet)
    todo = [
        (bet, cell, arm)
        for cell in bet.config.cells()
        for arm in ARMS
        if not bet.model_file(cell, arm).is_file()
    ]
    told(bet.models - len(todo))
    jobs = jobs or bet.jobs
    _side_by_side(_base, [(bet, seed) for seed in bet.config.seeds] if todo else [], jobs)
    _side_by_side(_tuned, todo, jobs, told)


def _base(bet: Bet, seed: int) -> None:
    _ = bet.backend(seed).base


def _tuned(bet: Bet, cell: Cell, arm: str) -> None:
    backend = bet.backend(cell.seed, cell.epochs, cell.loss)
    model = backend.tuned(arm, bet.rows(cell, arm), bet.run(cell, arm))
    write_json(bet.model_file(cell, arm), {"model": model})


def test(bet: Bet, jobs: int, told: Told) -> None:
    """Ask every model what isn't asked yet. Raises `ExperimentError` where one isn't trained."""
    askings = list(dict.fromkeys(_askings(bet)))  # cells share some
    todo = [asking for asking in askings if not asking.place.is_file()]
    told(bet.askings - len(todo))
    _side_by_side(_ask, [(bet, asking) for asking in todo], jobs or bet.jobs, told)


@dataclass(frozen=True)
class Asking:
    """A model that is asked, and the file that its answers land in."""

    seed: int
    model: str  # empty: the base
    questions: Questions
    place: Path


def _askings(bet: Bet) -> Iterator[Asking]:
    for cell in bet.config.cells():
        for arm in ARMS:
            model = _model(bet, cell, arm)
            questions = bet.about(cell, arm, BARE)
            yield Asking(cell.seed, model, questions, bet.asked_after(cell, arm))
        before = bet.about(cell, CONDITIONAL, CONTROL, BARE)
        yield Asking(cell.seed, "", before, bet.asked_before(cell))
        known = bet.about_known(cell.seed, cell.phrasing)
        yield Asking(cell.seed, "", known, bet.asked_known(cell.seed, cell.phrasing))


def _model(bet: Bet, cell: Cell, arm: str) -> str:
    return str(read_json(bet.model_file(cell, arm), "run `the-experiment bet train`")["model"])


def _ask(bet: Bet, asking: Asking) -> None:
    backend = bet.backend(asking.seed)
    asking.questions.put_to(backend, asking.model or backend.base, asking.place)


def _side_by_side(
    function: Callable[..., None],
    calls: Sequence[tuple[Any, ...]],
    jobs: int,
    told: Told = lambda _: None,
) -> None:
    """Call it with each, `jobs` at a time; one alone needs no process of its own."""
    done = in_parallel(function, calls, jobs) if jobs > 1 else starmap(function, calls)
    for _ in done:
        told(1)
