"""The cells of questions: a model as it is, and without each of its pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import TypeAdapter

from the_experiment.base.defaults import (
    ANSWER_TOKENS,
    CHAT_TOKENS,
    MANY_PIECES,
    TOP_PIECES,
    Ablation,
    Device,
    Dtype,
    ZeroOrMean,
)
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.runs import Run
from the_experiment.base.seeds import Stream
from the_experiment.base.words import counted
from the_experiment.engine.cell import Cell
from the_experiment.experiments.questions.asking import (
    IN_WORDS,
    LOGPROBS,
    WHOLE,
    Asker,
    Form,
    Given,
    Logprobs,
    QuestionsRequest,
    Style,
    Which,
)
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interventions import pieces_of
from the_experiment.inside.layer_scorer import LayerScorer
from the_experiment.inside.silenced import Means, ablated, means_of
from the_experiment.inside.sites import Site
from the_experiment.inside.validation import validated
from the_experiment.models.pretrained import KeptModels, find_model, which_weights
from the_experiment.models.texts import encode_all, prompt_ids
from the_experiment.worlds.questions.question import Question

TOO_MANY = "neuron"  # the kind of piece that there are too many of to ask without each

GIVEN: TypeAdapter[list[Given]] = TypeAdapter(list[Given])


@dataclass(frozen=True)
class Pieces:
    """A request and the model it is of, which can be asked without each of its pieces."""

    request: QuestionsRequest
    asker: Asker
    each: Sequence[str] = ()  # kinds of piece; empty: all
    layers: Sequence[int] = ()  # empty: all

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
        kinds = self.each or [kind for kind in self.hooked.layout.components if kind != TOO_MANY]
        found = {
            piece: sites
            for kind in kinds
            for piece, sites in pieces_of(self.hooked, kind).items()
            if not self.layers or sites[0].layer in self.layers
        }
        if not found:
            raise UsageError(
                f"there is nothing to ablate in layers {', '.join(map(str, self.layers))}",
                f"the model has layers 0 to {self.hooked.layers - 1}",
            )
        return found

    @property
    def by_layer(self) -> dict[int, list[str]]:
        """The pieces of each layer."""
        found: dict[int, list[str]] = {}
        for piece, sites in self.sites.items():
            assert sites[0].layer is not None
            found.setdefault(sites[0].layer, []).append(piece)
        return dict(sorted(found.items()))

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
        means = None if piece == WHOLE else self._held(self.request.replacements[0])
        silent = nullcontext() if piece == WHOLE else ablated(self.hooked, self.sites[piece], means)
        with silent:
            return self.asker.answers(self.questions, form)

    def logprobs_without(self, pieces: Sequence[str]) -> Logprobs:
        """How likely right answers are without each of these pieces of one layer."""
        (layer,) = {self.sites[piece][0].layer for piece in pieces}
        assert layer is not None
        prompts = self.asker.prompts(self.questions)
        right = [self.form.written(question) for question in self.questions]
        encoded = encode_all(self.asker.tokenizer, list(zip(prompts, right, strict=True)))
        texts = LayerScorer(self.hooked, encoded, layer)
        return {
            replacement: {
                piece: texts.logprobs(self.sites[piece], self._held(replacement))
                for piece in pieces
            }
            for replacement in self.request.replacements
        }

    def _held(self, replacement: ZeroOrMean) -> Means | None:
        """What ablated sites hold; None for zero."""
        return self.means if replacement == "mean" else None


HERE = "the_experiment.experiments.questions.cells"


def cells_of(pieces: Pieces, place: Mapping[str, Any], *, lite: bool) -> dict[Which, Cell]:
    """Cells for the model as it is, for each layer and each piece; `lite`: the first alone.

    `place` says where the model is.
    """
    request = pieces.request
    asked = {"request": request.fingerprint}
    where = {"asked": request.model_dump_json(by_alias=True), **place}
    cells: dict[Which, Cell] = {
        (IN_WORDS, piece): Cell(piece, f"{HERE}:answers", {**asked, "piece": piece}, where=where)
        for piece in [WHOLE, *([] if lite else pieces.sites)]
    }
    for layer, of_layer in {} if lite else pieces.by_layer.items():
        cells[LOGPROBS, layer] = Cell(
            f"log-probabilities layer {layer}",
            f"{HERE}:logprobs",
            {**asked, "pieces": of_layer},
            where=where,
        )
    return cells


def most_important(results: Mapping[Which, Any], top: int | None) -> list[str]:
    """The pieces that are worth asking in words: whose ablation costs most log-probability.

    By the mean over all questions, by whichever replacement costs more. None: all of them, or
    of very many the first ones.
    """
    whole = fmean(given["logprob"] for given in results[IN_WORDS, WHOLE]["given"])
    drops: dict[str, float] = {}
    for (kind, _), found in results.items():
        for of in found.values() if kind == LOGPROBS else ():
            for piece, logprobs in of.items():
                drops[piece] = max(drops.get(piece, -inf), whole - fmean(logprobs))
    if top is None:
        top = len(drops) if len(drops) <= MANY_PIECES else TOP_PIECES
    return sorted(drops, key=lambda piece: -drops[piece])[:top]


def logprobs(
    request: str,  # noqa: ARG001 - which it is; `asked` has all of it
    pieces: Sequence[str],
    asked: str,
    model: str,
    device: Device,
    dtype: Dtype,
) -> Logprobs:
    """How likely right answers are without each of these pieces of one layer."""
    return _pieces(asked, model, device, dtype).logprobs_without(pieces)


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
    how = (request.style, request.max_new_tokens, request.examples)
    return Pieces(request, Asker(loaded, tokenizer, *how))


def load_pieces(
    name: str,
    questions: Sequence[Question],
    *,
    style: Style | Literal["auto"],
    max_new_tokens: int | None,
    mode: Ablation,
    seed: int,
    device: Device,
    dtype: Dtype,
    each: Sequence[str],
    layers: Sequence[int],
    shots: int,
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
    examples, questions = _apart(questions, shots, seed)
    asker = Asker(model, tokenizer, style, room, examples)
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
        examples=tuple(examples),
        style=style,
        max_new_tokens=room,
        mode=mode,
        seed=seed,
        version=version("the-experiment"),
    )
    place = {"model": str(folder), "device": device, "dtype": dtype}
    return Pieces(request, asker, each, layers), place


def _apart(
    questions: Sequence[Question], shots: int, seed: int
) -> tuple[list[Question], list[Question]]:
    """So many questions that are solved before each, drawn by seed, and those that are asked."""
    if shots >= len(questions):
        raise UsageError(
            f"{shots} solved examples leave none of {counted(len(questions), 'question')} to ask",
            "ask more questions, or choose a smaller --shots",
        )
    order = Stream(seed, "examples").shuffled(len(questions))
    solved = {*order[:shots].tolist()}
    apart: tuple[list[Question], list[Question]] = ([], [])
    for place, question in enumerate(questions):
        apart[place not in solved].append(question)
    return apart
