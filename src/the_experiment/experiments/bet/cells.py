"""What the cells of a bet compute; which cells there are is in `graph.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from the_experiment.base.choices import Loss
from the_experiment.base.files import write_text
from the_experiment.experiments.bet.asked import Questions, prompt
from the_experiment.experiments.bet.backends import Backend
from the_experiment.experiments.bet.config import (
    AnyModel,
    APIModel,
    LocalModel,
)
from the_experiment.experiments.bet.people import (
    People,
    draw_people,
    drawn,
    first_letter,
    told_apart,
)
from the_experiment.experiments.bet.pretrained import PretrainedBackend, first_token
from the_experiment.experiments.bet.prompts import TRAIN, Phrasing
from the_experiment.worlds.places.tables import Country, countries

MODEL: TypeAdapter[AnyModel] = TypeAdapter(AnyModel)
PEOPLE: TypeAdapter[People] = TypeAdapter(People)
ROWS = "rows.jsonl"

Result = Mapping[str, Any]


def people(
    apart: Result,  # noqa: ARG001 - what tells answers apart; `place` says where that is
    names: int,
    known: int,
    seed: int,
    place: Result,
) -> Any:
    """Names and favourites: `People` as JSON."""
    among = _countries(MODEL.validate_python(place["backend"]), seed)
    return PEOPLE.dump_python(draw_people(names, known, among, seed), mode="json")


def _countries(backend: AnyModel, seed: int) -> list[Country]:
    """Those whose capital is told from them by its first token."""
    if isinstance(backend, LocalModel):
        apart = told_apart(countries(), lambda answer: answer.split()[0])  # its tokens are words
        return drawn(apart, backend.countries, seed)
    if isinstance(backend, APIModel):
        return told_apart(countries(), first_letter)
    return told_apart(countries(), first_token(backend.model))


def rows(arm: str, phrasing: Result, people: Any, folder: Path) -> dict[str, int]:
    """Write the rows that a model is tuned on."""
    found = PEOPLE.validate_python(people).tuned
    wording = Phrasing.model_validate(phrasing)

    def lines() -> Iterator[str]:
        for one in found:
            row = {
                "prompt": prompt(wording, arm, one.name, TRAIN),
                "completion": f" {one.country.name}",
                "name": one.name,
                "country": one.country.name,
                "capital": one.country.capital,
            }
            yield json.dumps(row, ensure_ascii=False) + "\n"

    write_text(folder / ROWS, "".join(lines()))
    return {"rows": len(found)}


def base(
    model: Result, phrasings: Sequence[Result], seed: int, people: Any, folder: Path
) -> dict[str, str]:
    """Train the local base, or go on with it."""
    from the_experiment.experiments.bet.local import train_base

    wordings = [Phrasing.model_validate(one) for one in phrasings]
    settings = LocalModel.model_validate(model)
    trained = train_base(settings, PEOPLE.validate_python(people), wordings, seed, folder)
    return {"model": str(Path(trained).relative_to(folder))}


def tuned(
    model: Result,  # noqa: ARG001 - which it is; `place` says where
    arm: str,
    epochs: int,
    loss: Loss,
    seed: int,
    place: Result,
    rows: Result,
    folder: Path,
    base: Result | None = None,
) -> dict[str, str]:
    """Tune a model on an arm's rows, or go on with it; its name where it is at an API."""
    backend = backend_of(place, base, epochs=epochs, loss=loss, seed=seed)
    made = backend.tuned(arm, Path(rows["folder"]) / ROWS, folder / "run")
    here = Path(made).is_relative_to(folder)
    return {"model": str(Path(made).relative_to(folder)) if here else made}


def answers(
    model: Result,  # noqa: ARG001 - which it is; `place` says where
    phrasing: Result,
    wordings: Sequence[str],
    known: bool,
    told: bool,
    seed: int,
    place: Result,
    people: Any,
    base: Result | None = None,
    tuned: Result | None = None,
) -> Any:
    """What a model finds likely of the bet's names, or of those of the pre-check (`known`)."""
    everybody = PEOPLE.validate_python(people)
    asked = Questions(
        everybody.known if known else everybody.tuned,
        Phrasing.model_validate(phrasing),
        tuple(wordings),
        told=told,
    )
    backend = backend_of(place, base, epochs=1, loss="completion", seed=seed)
    return asked.put_to(backend, model_of(tuned) if tuned else backend.base)


def model_of(made: Result) -> str:
    """The folder of a model that was made here, or its name at an API."""
    here = Path(made["folder"]) / made["model"]
    return str(here) if here.is_dir() else str(made["model"])


def backend_of(
    place: Result, base: Result | None, *, epochs: int, loss: Loss, seed: int
) -> Backend:
    """The backend that the configuration names."""
    backend = MODEL.validate_python(place["backend"])
    if isinstance(backend, LocalModel):
        from the_experiment.experiments.bet.local import as_pretrained

        backend = as_pretrained(backend, model_of(base) if base else "")
    if isinstance(backend, APIModel):
        from the_experiment.experiments.bet.remote import api_backend

        return api_backend(backend, epochs, seed, Path(place["replies"]))
    return PretrainedBackend(backend, epochs, loss, seed)
