"""Where does a model know a value, and does it use it? Linear probes, and steering along one.

With the controls of Hewitt and Liang, "Designing and Interpreting Probes with Control Tasks", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers, Stream, derived_seed
from the_experiment.base.words import counted
from the_experiment.evaluation.compare import rate_json
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.card import Finding, Request, verb
from the_experiment.inside.edits import Edit
from the_experiment.inside.generation import written
from the_experiment.inside.grading import batch_ids
from the_experiment.inside.maps import HeatMap, share_map
from the_experiment.inside.opened import Opened
from the_experiment.inside.probing import (
    accuracy_map,
    fitted,
    folds,
    probed_sites,
    repeated,
    separable,
)
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import Text, refuse_mixed_lengths
from the_experiment.inside.verbs.force import outcomes
from the_experiment.models.texts import end_id
from the_experiment.worlds import World

MOST_STATES = 256
PUSHES = (1.0, 2.0, 4.0)  # how far steering goes past the probe's border, in distances from it


@verb("probe")
class Probe(Request):
    """Probes for one input or output at every layer and position, on all states of the split."""

    of: str
    seed: int = 0

    def run(self, subject: Subject) -> Finding:
        """Maps of cross-validated accuracy: the model, one untrained, and shuffled labels.

        A state whose label no other has is left out. Raises `UsageError` for a name that is
        neither an input nor an output, and for texts of several lengths.
        """
        states = np.concatenate(list(subject.drawn(MOST_STATES // 2, self.seed).values()))
        labels = _labels(subject.world, states, self.of)
        kept = repeated(labels)
        states, labels = states[kept], labels[kept]
        texts = subject.texts(states)
        refuse_mixed_lengths(texts, "probe a model of a world whose texts all have one length")
        maps = self._maps(subject, texts, labels)
        chance = Rate(int(np.unique(labels, return_counts=True)[1].max()), len(labels))
        sentences = [f"always saying the commonest value is right in {chance}"]
        if not kept.all():
            left = counted(int((~kept).sum()), "state")
            sentences.append(f"{left} left out: no other has their value of {self.of}")
        if separable(states, labels):
            sentences.append(
                f"{self.of} is linearly separable in the inputs, so that an untrained model passes "
                "too: a high accuracy alone says nothing here"
            )
        figures: dict[str, Any] = {"n": chance.n, "chance": chance.share}
        if texts[0].written_at(self.of):
            told, figures["best"] = _read_before(self.of, texts[0], maps)
            sentences.append(told)
            if set(np.unique(labels)) == {0, 1}:
                steering, figures["steering"], told = _steering(subject, self.of, texts, labels)
                maps.append(steering)
                sentences.append(told)
        return Finding(maps, figures, sentences)

    def _maps(self, subject: Subject, texts: Sequence[Text], labels: Integers) -> list[HeatMap]:
        shuffled = labels[Stream(self.seed, "labels").shuffled(len(labels))]
        what = {
            subject.name: (subject.opened, labels),
            "the same model untrained": (_untrained(subject, self.seed), labels),
            f"{subject.name}, labels shuffled": (subject.opened, shuffled),
        }
        return [
            accuracy_map(
                f"{name}: a linear probe for {self.of}, {counted(len(texts), 'state')}",
                opened,
                texts,
                each,
                folds(each, self.seed),
            )
            for name, (opened, each) in what.items()
        ]


def _labels(world: World, states: Integers, name: str) -> Integers:
    if name in world.inputs:
        labels: Integers = states[:, list(world.inputs).index(name)]
    elif name in world.parts:
        labels = world.part_values(states)[name]
    else:
        known = [*world.inputs, *world.parts]
        raise UsageError(
            f"there is no {name!r} in world {world.name}", f"one of {', '.join(known)}"
        )
    if len(np.unique(labels[repeated(labels)])) < 2:
        raise UsageError(
            f"fewer than two values of {name} are those of two states", "probe for another part"
        )
    return labels


def _untrained(subject: Subject, seed: int) -> Opened:
    torch.manual_seed(derived_seed(seed, "untrained"))
    return Opened(AutoModelForCausalLM.from_config(subject.opened.model.config).eval())


def _read_before(of: str, text: Text, maps: Sequence[HeatMap]) -> tuple[str, dict[str, Any]]:
    """Where a part can be read best before it is written."""
    model, untrained, _ = maps
    n = model.n or 0
    before = slice(0, text.written_at(of)[0] + 1)
    gain = model.values[:, before] - untrained.values[:, before]
    layer, place = np.unravel_index((model.values[:, before] + 1e-3 * gain).argmax(), gain.shape)
    best, control = (
        Rate(round(float(one.values[layer, place]) * n), n) for one in (model, untrained)
    )
    told = (
        f"before {of} is written it is read best at {model.rows[layer]}, {model.columns[place]!r}: "
        f"right in {best}, and in {control} in the untrained model"
    )
    found = {"site": model.rows[layer], "position": int(place)}
    return told, found | rate_json(best) | {"untrained": rate_json(control)}


@dataclass(frozen=True)
class Steered:
    """How often a part turned, and how often each that depends on it followed."""

    turned: Rate
    follows: dict[str, Rate]

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        follows = {part: rate_json(rate) for part, rate in self.follows.items()}
        return {"turned": rate_json(self.turned), "follows": follows}


def _steering(
    subject: Subject, of: str, texts: Sequence[Text], labels: Integers
) -> tuple[HeatMap, dict[str, Any], str]:
    """What a push past the border of each layer's probe does where the part is decided."""
    sites = probed_sites(subject.opened)
    steered = [_steered(subject, of, texts, labels, site) for site in sites]
    counts = np.array([[one.turned.k for one in pushes] for pushes in steered])
    rows, columns = tuple(map(str, sites)), tuple(f"{push:g} times" for push in PUSHES)
    title = (
        f"{subject.name}: {of} turns when pushed past the border, {counted(len(texts), 'state')}"
    )
    heat_map = share_map(title, "share", rows, columns, counts, len(texts))
    figures = {
        row: dict(zip(columns, (one.as_json() for one in pushes), strict=True))
        for row, pushes in zip(rows, steered, strict=True)
    }
    if not counts.any():
        return heat_map, figures, f"{of} turns nowhere, however far it is pushed past the border"
    row, column = np.unravel_index(counts.argmax(), counts.shape)
    most = steered[row][column]
    follows = [f"{part} follows it in {rate}" for part, rate in most.follows.items()]
    return (
        heat_map,
        figures,
        (
            f"{of} turns most often, in {most.turned}, pushed {columns[column]} past the border at "
            f"{rows[row]}; then " + (", ".join(follows) or "nothing depends on it")
        ),
    )


def _steered(
    subject: Subject, of: str, texts: Sequence[Text], labels: Integers, site: Site
) -> list[Steered]:
    """By push: how often the part turns, and how often those that depend on it turn with it."""
    place = texts[0].written_at(of)[0]
    values = subject.opened.run(batch_ids(texts), keep=[site]).cache[site][:, place]
    scaler, probe = fitted(values.numpy(), labels)
    direction = torch.from_numpy(probe.coef_[0] / scaler.scale_).float()
    score = torch.from_numpy(probe.decision_function(scaler.transform(values.numpy()))).float()
    across = (
        -score[:, None] / direction.square().sum() * direction
    )  # (states, width): to the border
    return [
        _pushed(
            subject, of, texts, labels, [Edit(site, (place,), step, keep=1.0) for step in steps]
        )
        for steps in ((1 + push) * across for push in PUSHES)
    ]


def _pushed(
    subject: Subject, of: str, texts: Sequence[Text], labels: Integers, edits: Sequence[Edit]
) -> Steered:
    """What is written under these edits, one a text, from where the part is decided."""
    world, (_, tokenizer) = subject.world, subject.trained.loaded
    place = texts[0].written_at(of)[0]
    beginnings = [text.ids[: place + 1] for text in texts]
    most, end = len(texts[0].ids), end_id(tokenizer)
    tokens = written(subject.opened, beginnings, most, end, lambda row, _: [edits[row]])
    turned: list[bool] = []
    follows: dict[str, list[bool]] = {}
    for text, label, after in zip(texts, labels, tokens, strict=True):
        completion = str(tokenizer.decode([*text.ids[text.begins : place + 1], *after]))
        span = world.spans(completion)[of]
        turned.append(span is not None and bool(span.value == 1 - label))
        if turned[-1]:
            for one in outcomes(world, text.prompt, of, completion):
                follows.setdefault(one.part, []).append(one.follows == "written")
    return Steered(
        Rate(sum(turned), len(turned)),
        {part: Rate(sum(each), len(each)) for part, each in follows.items()},
    )
