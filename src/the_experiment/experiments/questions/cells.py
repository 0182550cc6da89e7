"""The cells of questions: a model as it is, and without each of its pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from the_experiment.base.defaults import ANSWER_TOKENS, CHAT_TOKENS, Device, Dtype, ZeroOrMean
from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import Run
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.experiments.questions.asking import (
    WHOLE,
    Asker,
    Form,
    Given,
    QuestionsRequest,
    Style,
)
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interventions import pieces_of
from the_experiment.inside.silenced import Means, ablated, means_of
from the_experiment.inside.sites import Site
from the_experiment.inside.validation import validated
from the_experiment.models.pretrained import KeptModels, find_model, which_weights
from the_experiment.models.texts import prompt_ids
from the_experiment.worlds.questions.question import Question

TOO_MANY = "neuron"  # the kind of piece that there are too many of to ask without each

GIVEN: TypeAdapter[list[Given]] = TypeAdapter(list[Given])


@dataclass(frozen=True)
class Pieces:
    """A request and the model it is of, which can be asked without each of its pieces."""

    request: QuestionsRequest
    asker: Asker

    @property
    def questions(self) -> list[Question]:
        """What is asked."""
        return list(self.request.questions)

    @cached_property
    def form(self) -> Form:
        """How right answers are written: as the model as it is finds them likeliest."""
        return self.asker.likeliest_form(self.questions)

    @cached_property
    def hooked(self) -> HookedModel:
        """The model, its layout held against it where that is quick: on a processor."""
        hooked = HookedModel(self.asker.model)
        return validated(hooked) if hooked.model.device.type == "cpu" else hooked

    @cached_property
    def sites(self) -> dict[str, list[Site]]:
        """The sites that are silent without each piece. An RNN and a CNN have no heads."""
        kinds = [kind for kind in self.hooked.layout.components if kind != TOO_MANY]
        return {
            piece: sites for kind in kinds for piece, sites in pieces_of(self.hooked, kind).items()
        }

    @cached_property
    def means(self) -> Means:
        """What each site holds on average over all tokens of all questions."""
        whole = dict.fromkeys(site.whole for sites in self.sites.values() for site in sites)
        prompts = self.asker.prompts(self.questions)
        ids = [prompt_ids(self.asker.tokenizer, prompt) for prompt in prompts]
        return means_of(self.hooked, list(whole), ids)

    def answers_without(self, piece: str) -> list[Given]:
        """The answers without a piece; `WHOLE`: of the model as it is."""
        form = self.form  # told by the model as it is, before anything is silent
        means = self.means if self.request.mode == "mean" and piece != WHOLE else None
        silent = nullcontext() if piece == WHOLE else ablated(self.hooked, self.sites[piece], means)
        with silent:
            return self.asker.answers(self.questions, form)


def cells_of(pieces: Pieces, place: Mapping[str, Any], *, lite: bool) -> dict[str, Cell]:
    """A cell for the model as it is, and without each piece of it; `lite`: the first alone.

    `place` says where the model is.
    """
    request = pieces.request
    return {
        piece: Cell(
            piece,
            "the_experiment.experiments.questions.cells:answers",
            {"request": request.fingerprint, "piece": piece},
            where={"asked": request.model_dump_json(by_alias=True), **place},
        )
        for piece in [WHOLE, *([] if lite else pieces.sites)]
    }


def answers(
    request: str,  # noqa: ARG001 - which it is; `asked` has all of it
    piece: str,
    asked: str,
    model: str,
    device: Device,
    dtype: Dtype,
) -> dict[str, Any]:
    """How right answers are written, and what the model answers without a piece."""
    pieces = _pieces(asked, model, device, dtype)
    given = GIVEN.dump_python(pieces.answers_without(piece), mode="json")
    return {"form": pieces.form.model_dump(), "given": given}


@lru_cache(maxsize=1)
def _pieces(asked: str, model: str, device: Device, dtype: Dtype) -> Pieces:
    request = QuestionsRequest.model_validate_json(asked)
    loaded, tokenizer = KeptModels().loaded(model, device, dtype)
    return Pieces(request, Asker(loaded, tokenizer, request.style, request.max_new_tokens))


def load_pieces(
    name: str,
    questions: Sequence[Question],
    *,
    style: Style | Literal["auto"],
    max_new_tokens: int | None,
    mode: ZeroOrMean,
    seed: int,
    device: Device,
    dtype: Dtype,
    out: Path,
) -> tuple[Pieces, dict[str, Any]]:
    """The model, ready to be asked these questions, and where it is.

    The style `auto` is the model's chat template if it has one, the bare question for a model that
    was trained here, and `plain` for any other. Questions that the model has no room for are left
    out. Raises `ExperimentError` where there is no model, or room for no question, and `UsageError`
    for the style `chat` where there is no template.
    """
    folder = find_model(name, out)
    model, tokenizer = KeptModels().loaded(str(folder), device, dtype)
    if style == "auto":
        ours = any(Run(folder).complete for folder in (Path(name), Path(name).parent, out / name))
        style = "chat" if tokenizer.chat_template else "bare" if ours else "plain"
    room = max_new_tokens or (CHAT_TOKENS if style == "chat" else ANSWER_TOKENS)
    asker = Asker(model, tokenizer, style, room)
    fitting = asker.with_room(questions)
    read = {question.text for question in fitting}
    if not fitting:
        raise ExperimentError(
            f"none of {counted(len(questions), 'question')} and its answer fits the context length",
            "ask shorter ones, or use a model with a longer context",
        )
    request = QuestionsRequest(
        model=name,
        weights=which_weights(folder),
        dtype=str(model.dtype).removeprefix("torch."),
        questions=tuple(fitting),
        left_out=tuple(one.text for one in questions if one.text not in read),
        style=style,
        max_new_tokens=room,
        mode=mode,
        seed=seed,
        version=version("the-experiment"),
    )
    place = {"model": str(folder), "device": device, "dtype": dtype}
    return Pieces(request, asker), place
