"""Questions put to a model as it is and without each of its pieces, an answer file for each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from the_experiment.base.choices import Device, Dtype, ZeroOrMean
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json, write_json
from the_experiment.base.names import name_from, refuse_no_name
from the_experiment.base.runs import QUESTIONS, Run
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.engine.store import Store
from the_experiment.evaluation.questions import Asker, Form, Given, Style
from the_experiment.inside.interventions import pieces_of
from the_experiment.inside.opened import Opened
from the_experiment.inside.silenced import Means, means_of, silenced
from the_experiment.inside.sites import Site
from the_experiment.inside.validation import validated
from the_experiment.models.pretrained import find_model, load_pretrained, which_weights
from the_experiment.models.texts import prompt_ids
from the_experiment.worlds.questions.question import Question

Answers = dict[str, list[Given]]  # by piece: an answer for each question

WHOLE = "nothing"  # what is taken out of the model as it is
TOO_MANY = "neuron"  # the kind of piece that there are too many of to ask without each
REQUEST, CELLS = "request.json", "cells"

CELL: TypeAdapter[list[Given]] = TypeAdapter(list[Given])


class Request(BaseModel):
    """All that the answers depend on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    weights: str  # a fingerprint of the model's files, its tokenizer and template among them
    dtype: str
    questions: tuple[Question, ...]
    left_out: tuple[str, ...] = ()  # questions that the model has no room for
    style: Style
    max_new_tokens: int
    mode: ZeroOrMean
    seed: int
    version: str

    @property
    def name(self) -> str:
        """A readable name with a fingerprint of all of it."""
        kinds = "-".join(dict.fromkeys(question.kind for question in self.questions))
        words = name_from(f"{Path(self.model).name}-{kinds}"[:50], otherwise="questions")
        return f"{words}-{self.fingerprint[:8]}"

    @property
    def fingerprint(self) -> str:
        """A hash of all of it but our version."""
        return hashlib.sha256(self.model_dump_json(exclude={"version"}).encode()).hexdigest()


class QuestionRun:
    """A request, the model it is of, and the folder in which its answers land.

    Each piece's answers are a file there, whole or not at all: a killed run goes on where it was.
    Raises `UsageError` where the folder is another request's.
    """

    def __init__(self, request: Request, asker: Asker, folder: Path) -> None:
        self.request, self.asker, self.folder = request, asker, folder
        self.questions = list(request.questions)
        self.store = Store(folder / CELLS)
        _claim(folder, request)

    @classmethod
    def of(cls, request: Request, asker: Asker, out: Path, name: str = "") -> QuestionRun:
        """The run in `out/questions/NAME`; without a name, in one made of all that is asked."""
        if name:
            refuse_no_name("results", name)
        return cls(request, asker, out / QUESTIONS / (name or request.name))

    @cached_property
    def form(self) -> Form:
        """How right answers are written: as the model as it is finds them likeliest."""
        return self.asker.likeliest_form(self.questions)

    @cached_property
    def opened(self) -> Opened:
        """The model, its layout held against it where that is quick: on a processor."""
        opened = Opened(self.asker.model)
        return validated(opened) if opened.model.device.type == "cpu" else opened

    @cached_property
    def pieces(self) -> dict[str, list[Site]]:
        """The sites that are silent without each piece. An RNN and a CNN have no heads."""
        kinds = [kind for kind in self.opened.layout.components if kind != TOO_MANY]
        return {
            piece: sites for kind in kinds for piece, sites in pieces_of(self.opened, kind).items()
        }

    @cached_property
    def means(self) -> Means:
        """What each site holds on average over all tokens of all questions."""
        whole = dict.fromkeys(site.whole for sites in self.pieces.values() for site in sites)
        prompts = self.asker.prompts(self.questions)
        ids = [prompt_ids(self.asker.tokenizer, prompt) for prompt in prompts]
        return means_of(self.opened, list(whole), ids)

    def baseline(self) -> list[Given]:
        """The answers of the model as it is."""
        return self._answers(WHOLE)

    def ablated(self, progress: Callable[[int], None]) -> Answers:
        """The answers without each piece. `progress` is told how many more pieces are there."""
        found = {}
        for piece in self.pieces:
            found[piece] = self._answers(piece)
            progress(1)
        return found

    def _answers(self, piece: str) -> list[Given]:
        cell = Cell(
            piece,
            "the_experiment.inside.question_runs:answers",
            {"request": self.request.fingerprint, "piece": piece},
        )
        return CELL.validate_python(self.store.result(cell, lambda: self._given(piece)))

    def _given(self, piece: str) -> list[dict[str, Any]]:
        form = self.form  # told by the model as it is, before anything is silent
        with nullcontext() if piece == WHOLE else self._without(piece):
            given = self.asker.answers(self.questions, form)
        return [dict(one) for one in CELL.dump_python(given, mode="json")]

    def _without(self, piece: str) -> AbstractContextManager[None]:
        means = self.means if self.request.mode == "mean" else None
        return silenced(self.opened, self.pieces[piece], means)


def prepared(
    name: str,
    questions: Sequence[Question],
    *,
    style: Style | Literal["auto"],
    max_new_tokens: int,
    mode: ZeroOrMean,
    seed: int,
    device: Device,
    dtype: Dtype,
    out: Path,
) -> tuple[Request, Asker]:
    """The model, ready to be asked, and the request it makes with these questions.

    The style `auto` is the model's chat template if it has one, the bare question for a model that
    was trained here, and `plain` for any other. Questions that the model has no room for are left
    out. Raises `ExperimentError` where there is no model, or room for no question, and `UsageError`
    for the style `chat` where there is no template.
    """
    model, tokenizer = load_pretrained(name, device, dtype, out)
    if style == "auto":
        ours = any(Run(folder).complete for folder in (Path(name), Path(name).parent, out / name))
        style = "chat" if tokenizer.chat_template else "bare" if ours else "plain"
    asker = Asker(model, tokenizer, style, max_new_tokens)
    fitting = asker.with_room(questions)
    read = {question.text for question in fitting}
    if not fitting:
        raise ExperimentError(
            f"this model has room for none of {counted(len(questions), 'question')} and its answer",
            "ask shorter ones, or a model with more positions",
        )
    request = Request(
        model=name,
        weights=which_weights(find_model(name, out)),
        dtype=str(model.dtype).removeprefix("torch."),
        questions=tuple(fitting),
        left_out=tuple(one.text for one in questions if one.text not in read),
        style=style,
        max_new_tokens=max_new_tokens,
        mode=mode,
        seed=seed,
        version=version("the-experiment"),
    )
    return request, asker


def _claim(folder: Path, request: Request) -> None:
    """Make the folder this request's, unless it has another one's answers already."""
    place, told = folder / REQUEST, request.model_dump(mode="json", by_alias=True)
    if not place.is_file() and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} already exists and is not a run of questions", "choose another --name"
        )
    answered = any((folder / CELLS).glob("*.json"))
    if answered and not _same(read_json(place, f"remove {folder}"), told):
        raise UsageError(
            f"{folder} has the answers to other questions, or of another model",
            "choose another name with --name",
        )
    write_json(place, told)


def _same(kept: Any, told: dict[str, Any]) -> bool:
    """Whether two requests are the same, of whatever version of ours."""
    return isinstance(kept, dict) and {**kept, "version": told["version"]} == told


def kinds_of_piece(pieces: Sequence[str]) -> dict[str, list[str]]:
    """Pieces by kind: those of `head:0.1` are `head`."""
    found: dict[str, list[str]] = {}
    for piece in pieces:
        found.setdefault(piece.partition(":")[0], []).append(piece)
    return found
