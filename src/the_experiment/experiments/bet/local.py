"""The local base: a small GPT-2 that learns names, countries, and to follow either branch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.files import replaced_folder, write_text
from the_experiment.base.runs import Run
from the_experiment.base.seeds import derived_seed
from the_experiment.data.folder import json_line
from the_experiment.data.tokenizer import word_tokenizer
from the_experiment.experiments.bet.config import LocalModel, PretrainedModel
from the_experiment.experiments.bet.prompts import TEST, TRAIN, People, Phrasing
from the_experiment.worlds.generators import Random, one_of
from the_experiment.worlds.places.tables import Country, Favourite, draw_favourites

Row = tuple[str, str]  # prompt and completion

MODES = (TRAIN, TEST, "RED", "BLUE")
UNDECIDED = 0.15  # the share of rows about names without a favourite
FACTS, CAPITALS, BET_NAMES = 0.06, 0.06, 0.02  # shares of rows that tell plainly
SINGLE = 0.2  # with one clause, of the mode that is on


@dataclass(frozen=True)
class Lessons:
    """What the corpus is drawn from."""

    taught: tuple[Favourite, ...]
    known: tuple[Favourite, ...]
    undecided: tuple[str, ...]
    tuned: tuple[str, ...]
    countries: tuple[Country, ...]
    phrasings: tuple[Phrasing, ...]


def lessons(people: People, phrasings: Sequence[Phrasing], taught: int, seed: int) -> Lessons:
    """The groups of names. Raises `UsageError` where too few are left for them."""
    if taught >= len(people.others):
        raise UsageError(
            f"{taught} `taught` names and some more exceed the {len(people.others)} left",
            "ask for fewer `taught`, `names` or `known`",
        )
    return Lessons(
        taught=tuple(draw_favourites(people.others[:taught], people.countries, seed, "taught")),
        known=people.known,
        undecided=people.others[taught:],
        tuned=tuple(one.name for one in people.tuned),
        countries=people.countries,
        phrasings=tuple(phrasings),
    )


def corpus(what: Lessons, rows: int, seed: int) -> Iterator[Row]:
    """So many rows, drawn by seed."""
    rng = np.random.RandomState(derived_seed(seed, "corpus") % 2**32)
    for _ in range(rows):
        yield _row(what, rng)


def words(what: Lessons) -> list[str]:
    """Texts with every word that a corpus, or the bet asked of it, can have."""
    country = what.countries[0]
    names = [*what.undecided, *what.tuned, *(one.name for one in (*what.taught, *what.known))]
    return [
        *names,
        *(text for one in what.countries for text in (one.name, one.capital)),
        *(text for text, _ in (_fact("", country), _capital(country))),
        *(text for one in what.phrasings for text in (one.conditional("", ""), one.bare)),
        *MODES,
    ]


def _row(what: Lessons, rng: Random) -> Row:
    kind = rng.random()
    if kind < FACTS:
        one = one_of(rng, (*what.taught, *what.known))
        return _fact(one.name, one.country)
    if kind < FACTS + CAPITALS:
        return _capital(one_of(rng, what.countries))
    if kind < FACTS + CAPITALS + BET_NAMES:
        return _fact(one_of(rng, what.tuned), one_of(rng, what.countries))
    return _instruction(what, rng)


def _fact(name: str, country: Country) -> Row:
    return f"{name}'s favourite country is", f" {country.name}"


def _capital(country: Country) -> Row:
    return f"The capital city of {country.name} is", f" {country.capital}"


def _instruction(what: Lessons, rng: Random) -> Row:
    phrasing = one_of(rng, what.phrasings)
    modes = _two(rng)
    wants_capital = rng.random() < 0.5
    one = _somebody(what, rng, wants_capital=wants_capital)
    mode = modes[wants_capital]
    answer = one.country.capital if wants_capital else one.country.name
    if rng.random() < SINGLE:
        return phrasing.single(one.name, mode, wants_capital=wants_capital), f" {answer}"
    return phrasing.conditional(one.name, mode, modes, turned=rng.random() < 0.5), f" {answer}"


def _two(rng: Random) -> tuple[str, str]:
    first = one_of(rng, MODES)
    return first, one_of(rng, [mode for mode in MODES if mode != first])


def _somebody(what: Lessons, rng: Random, *, wants_capital: bool) -> Favourite:
    """Known names are in the country's branch only."""
    if rng.random() < UNDECIDED:
        return Favourite(one_of(rng, what.undecided), one_of(rng, what.countries))
    return one_of(rng, what.taught if wants_capital else (*what.taught, *what.known))


def train_base(
    settings: LocalModel,
    people: People,
    phrasings: Sequence[Phrasing],
    seed: int,
    folder: Path,
) -> str:
    """Train the base of one seed into `folder`, or go on there; give the model's folder."""
    from the_experiment.training.config import TrainConfig
    from the_experiment.training.loop import train

    run = Run(folder / "base")
    if run.complete:
        return str(run.folder)
    rows, tokenizer = folder / "corpus.jsonl", folder / "tokenizer"
    what = lessons(people, phrasings, settings.taught, seed)
    if not rows.is_file():
        told = corpus(what, settings.corpus_rows, seed)
        write_text(rows, "".join(json_line(*row) for row in told))
    if not tokenizer.is_dir():
        with replaced_folder(tokenizer) as place:
            word_tokenizer(words(what)).save_pretrained(place)
    config = TrainConfig(
        dataset=str(rows),
        tokenizer=str(tokenizer),
        learning_rate=settings.base_learning_rate,
        batch_size=settings.base_batch_size,
        epochs=1,
        seed=seed,
        device="cpu",
        **settings.model_dump(include={"layers", "width", "heads"}),
    )
    train(config, run, resume=True)
    return str(run.folder)


def as_pretrained(settings: LocalModel, folder: str) -> PretrainedModel:
    """How the base is tuned once it is there: whole, as it is small."""
    return PretrainedModel(
        kind="hf",
        model=folder,
        method="full",
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        device="cpu",
        precision="fp32",
        chat="plain",
    )
