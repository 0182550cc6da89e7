"""The cells of a bet: people → rows → the base → a model for each arm → what each finds likely."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from the_experiment.base.defaults import Loss
from the_experiment.base.files import write_text
from the_experiment.engine.cell import Cell
from the_experiment.experiments.bet.asked import (
    ARMS,
    BARE,
    CONDITIONAL,
    Questions,
    SolvedExamples,
    prompt,
)
from the_experiment.experiments.bet.backends import (
    Backend,
    PretrainedBackend,
    first_token,
    resolved,
)
from the_experiment.experiments.bet.config import (
    AnyModel,
    APIModel,
    BetExperiment,
    LocalModel,
    PretrainedModel,
    Variant,
)
from the_experiment.experiments.bet.prompts import (
    TRAIN,
    People,
    Phrasing,
    distinguishable,
    draw_people,
    drawn,
    first_letter,
)
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
        apart = distinguishable(
            countries(), lambda answer: answer.split()[0]
        )  # its tokens are words
        return drawn(apart, backend.countries, seed)
    if isinstance(backend, APIModel):
        return distinguishable(countries(), first_letter)
    return distinguishable(countries(), first_token(backend))


def rows(arm: str, phrasing: Result, people: Any, folder: Path, shots: int = 0) -> dict[str, int]:
    """Write the rows that a model is tuned on."""
    everybody = PEOPLE.validate_python(people)
    found, wording = everybody.tuned, Phrasing.model_validate(phrasing)
    shown = SolvedExamples(wording, everybody.examples(shots))

    def lines() -> Iterator[str]:
        for one in found:
            row = {
                "prompt": shown.before(arm, prompt(wording, arm, one.name, TRAIN)),
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
    shots: int = 0,
) -> Any:
    """What a model finds likely of the bet's names, or of those of the pre-check (`known`)."""
    everybody = PEOPLE.validate_python(people)
    asked = Questions(
        everybody.known if known else everybody.tuned,
        Phrasing.model_validate(phrasing),
        tuple(wordings),
        told=told,
        examples=everybody.examples(shots),
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


HERE = "the_experiment.experiments.bet.cells"
OF_TUNING = {"learning_rate", "batch_size"}  # what the base of a local model does not depend on


def known_key(one: Variant) -> tuple[object, ...]:
    """Where the pre-check of a variant stands among the answers; variants share it."""
    return "known", one.seed, one.phrasing


def before_key(one: Variant) -> tuple[object, ...]:
    """Where the answers before tuning stand; variants share them."""
    return "before", one.seed, one.names, one.phrasing


def after_key(one: Variant, arm: str) -> tuple[object, ...]:
    """Where the answers of an arm's model stand."""
    return "after", one, arm


@dataclass(frozen=True)
class Graph:
    """All cells of a bet. Each depends on the part of the configuration that it needs, no more."""

    bet: BetExperiment
    out: Path

    @cached_property
    def answers(self) -> dict[tuple[object, ...], Cell]:
        """What each model finds likely."""
        cells: dict[tuple[object, ...], Cell] = {}
        told = not isinstance(self.bet.backend, LocalModel)  # a model from elsewhere knows nobody
        for one in self.bet.variants():
            before, about = self._before(one.seed), f"seed {one.seed} {one.phrasing.name}"
            cells[known_key(one)] = self._asked(
                f"ask known {about}", one, (CONDITIONAL,), before, known=True, told=told
            )
            cells[before_key(one)] = self._asked(
                f"ask before {about} {one.names} names", one, (*ARMS, BARE), before
            )
            for arm in ARMS:
                after = {"tuned": self._tuned(one, arm)}
                cells[after_key(one, arm)] = self._asked(
                    f"ask {arm} {one.title}", one, (arm, BARE), after
                )
        return cells

    @property
    def asked(self) -> list[Cell]:
        """All that anybody is asked."""
        return list(self.answers.values())

    @cached_property
    def models(self) -> list[Cell]:
        """The tuned models."""
        return [self._tuned(one, arm) for one in self.bet.variants() for arm in ARMS]

    @cached_property
    def rows(self) -> list[Cell]:
        """What they are tuned on."""
        rows = (self._rows(one, arm) for one in self.bet.variants() for arm in ARMS)
        return list(dict.fromkeys(rows))  # of any epochs and loss they are the same

    def _people(self, seed: int) -> Cell:
        """All of a seed: whose base is taught, and who is asked about in the pre-check."""
        return self._drawn(f"people seed {seed}", seed, max(self.bet.names), self.bet.known)

    def _tuned_on(self, one: Variant) -> Cell:
        """Those that a model is tuned on, the same however many others there are."""
        return self._drawn(f"people seed {one.seed} {one.names} names", one.seed, one.names, 0)

    def _drawn(self, name: str, seed: int, names: int, known: int) -> Cell:
        backend = self.bet.backend
        apart: dict[str, Any] = {}  # what tells countries from their capitals
        if isinstance(backend, LocalModel):
            apart = {"countries": backend.countries}
        elif isinstance(backend, PretrainedModel):
            apart = {"weights": self._weights, **self._chat}  # the tokenizer lies with them
        arguments = {"apart": apart, "names": names, "known": known, "seed": seed}
        return Cell(name, f"{HERE}:people", arguments, where={"place": self._place})

    def _rows(self, one: Variant, arm: str) -> Cell:
        return Cell(
            f"rows seed {one.seed} {one.names} names {one.phrasing.name} {arm}",
            f"{HERE}:rows",
            {"arm": arm, "phrasing": one.phrasing.model_dump(), **self._shots},
            needs={"people": self._tuned_on(one)},
            keeps_files=True,
        )

    def _before(self, seed: int) -> dict[str, Cell]:
        """The local base; nothing for a model that there is."""
        if not isinstance(self.bet.backend, LocalModel):
            return {}
        base = Cell(
            f"base seed {seed}",
            f"{HERE}:base",
            {
                "model": self.bet.backend.model_dump(mode="json", exclude=OF_TUNING),
                "phrasings": [one.model_dump() for one in self.bet.phrasings],
                "seed": seed,
            },
            needs={"people": self._people(seed)},
            keeps_files=True,
        )
        return {"base": base}

    def _tuned(self, one: Variant, arm: str) -> Cell:
        return Cell(
            f"tune {arm} {one.title}",
            f"{HERE}:tuned",
            {
                "model": self._model,
                "arm": arm,
                "epochs": one.epochs,
                "loss": one.loss,
                "seed": one.seed,
            },
            needs={"rows": self._rows(one, arm), **self._before(one.seed)},
            where={"place": self._place},
            keeps_files=True,
        )

    def _asked(
        self,
        name: str,
        one: Variant,
        wordings: Sequence[str],
        model: Mapping[str, Cell],
        *,
        known: bool = False,
        told: bool = False,
    ) -> Cell:
        return Cell(
            name,
            f"{HERE}:answers",
            {
                "model": self._asked_model,
                "phrasing": one.phrasing.model_dump(),
                "wordings": list(wordings),
                "known": known,
                "told": told,
                "seed": one.seed,
                **self._shots,
            },
            needs={"people": self._people(one.seed) if known else self._tuned_on(one), **model},
            where={"place": self._place},
        )

    @cached_property
    def _model(self) -> dict[str, Any]:
        """What a tuned model depends on, beside its rows and a local base."""
        backend = self.bet.backend
        if isinstance(backend, LocalModel):
            return backend.model_dump(mode="json", include=OF_TUNING)
        if isinstance(backend, PretrainedModel):
            settings = backend.model_dump(mode="json", exclude={"model", "chat", "shots"})
        else:
            used = {"batch_size", "learning_rate_multiplier"}
            settings = backend.model_dump(mode="json", include=used)
        return {**self._asked_model, **settings}

    @cached_property
    def _asked_model(self) -> dict[str, Any]:
        """What answers depend on, beside a model that is made here: nothing of the tuning."""
        backend = self.bet.backend
        if isinstance(backend, LocalModel):
            return {}
        if isinstance(backend, PretrainedModel):
            return {"weights": self._weights, "device": backend.device, **self._chat}
        from the_experiment.models.endpoint import Endpoint

        return {"address": Endpoint(backend.base_url).address, "model": backend.model}

    @property
    def _chat(self) -> dict[str, str]:
        """How a model that there is is asked, unless as it was before there was a choice."""
        chat = getattr(self.bet.backend, "chat", "plain")
        return {} if chat == "plain" else {"chat": chat}

    @property
    def _shots(self) -> dict[str, int]:
        shots = getattr(self.bet.backend, "shots", 0)
        return {"shots": shots} if shots else {}

    @cached_property
    def _weights(self) -> str:
        """Those of a model that there is: a folder may hold others tomorrow."""
        from the_experiment.models.pretrained import which_weights

        return which_weights(Path(self._place["backend"]["model"]))

    @cached_property
    def _place(self) -> dict[str, Any]:
        """Where the model is, and what of its replies is kept."""
        backend = self.bet.backend
        if isinstance(backend, PretrainedModel):
            backend = resolved(backend, self.out)
        replies = self.bet.folder(self.out) / "replies"
        return {"backend": backend.model_dump(mode="json"), "replies": str(replies)}
