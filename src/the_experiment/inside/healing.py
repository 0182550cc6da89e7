"""Healing: how exact a model with damaged weights is, and again after a little more training."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from transformers import PreTrainedModel

from the_experiment.base.runs import Run
from the_experiment.base.seeds import derived_seed
from the_experiment.base.words import counted
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.grading import graded
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.subject import Subject
from the_experiment.inside.sweep import Trial
from the_experiment.inside.texts import TokenizedExample
from the_experiment.inside.weights import Weights
from the_experiment.training.config import TrainConfig
from the_experiment.training.hardware import computing_with
from the_experiment.training.loop import CLIP, WEIGHT_DECAY
from the_experiment.training.rows import Batches, encode_rows
from the_experiment.training.step import Step


def heal(
    subject: Subject,
    damage: Weights,
    kinds: Mapping[str, Sequence[TokenizedExample]],
    steps: int,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    """The rates of exact completions before and after so many steps on seen texts, in words too.

    `kinds` has the texts of each kind of state, "seen" among them. The subject stays as it is.
    """
    model = _damaged(subject.hooked.model, damage)
    told = {"damaged": _exact(subject, model, kinds)}
    with computing_with(training_config_of(subject.trained.run).threads):
        _train(subject, model, kinds["seen"], steps, seed)
    told[f"after {counted(steps, 'step')}"] = _exact(subject, model, kinds)
    sentences = [
        f"{when}, {kind}: exact {rate}" for when, of in told.items() for kind, rate in of.items()
    ]
    figures = {
        when: {kind: rate.as_json() for kind, rate in of.items()} for when, of in told.items()
    }
    return figures, sentences


def training_config_of(run: Run) -> TrainConfig:
    """How a run was trained; by default where it doesn't say."""
    return TrainConfig.from_file(run.config) if run.config.is_file() else TrainConfig()


def _damaged(model: PreTrainedModel, damage: Weights) -> PreTrainedModel:
    """A copy with these weights."""
    other: PreTrainedModel = copy.deepcopy(model)
    named = dict(other.named_parameters())
    with torch.no_grad():
        for name, values in damage.items():
            named[name].copy_(values)
    return other


def _exact(
    subject: Subject, model: PreTrainedModel, kinds: Mapping[str, Sequence[TokenizedExample]]
) -> dict[str, Rate]:
    """By kind: how many right completions are the likeliest to their end."""
    rates = {}
    for kind, texts in kinds.items():
        trials = [Trial(number, ()) for number in range(len(texts))]
        right = graded(HookedModel(model), texts, subject.world.parts, trials).right[:, 0]
        rates[kind] = Rate(int(right.sum()), len(texts))
    return rates


def _train(
    subject: Subject,
    model: PreTrainedModel,
    texts: Sequence[TokenizedExample],
    steps: int,
    seed: int,
) -> None:
    """As the run was trained, on these texts, at its learning rate all along and in float32."""
    config = training_config_of(subject.trained.run)
    _, tokenizer = subject.trained.loaded
    rows = encode_rows(tokenizer, [(text.prompt, text.completion) for text in texts])
    targets = rows.labels if config.loss == "all" else rows.answers
    batches = Batches(rows, config.batch_size, derived_seed(seed, "healing"))
    step = Step(model.train(), clip=CLIP, weight_decay=WEIGHT_DECAY, autocast=nullcontext())
    for number in range(steps):
        torch.manual_seed(derived_seed(seed, "healing", number))
        chosen, _ = batches.texts(number)
        step(rows.inputs[chosen], targets[chosen], config.learning_rate)
    model.eval()
