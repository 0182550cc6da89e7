"""Where does a model know a value, and does it use it? Linear probes, and steering along one.

With the controls of Hewitt and Liang, "Designing and Interpreting Probes with Control Tasks", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

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
from the_experiment.inside.maps import HeatMap
from the_experiment.inside.opened import Opened
from the_experiment.inside.probing import accuracy_map, fitted, folds, repeated, separable
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
        states = np.concatenate(subject.states())
        states = states[Stream(self.seed, "probe").shuffled(len(states))[:MOST_STATES]]
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
        told, figures = _knows(subject, self.of, texts, labels, maps)
        known = {"n": chance.n, "chance": chance.share}
        return Finding(maps, known | figures, [*sentences, *told])

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


def _knows(
    subject: Subject, of: str, texts: Sequence[Text], labels: Integers, maps: Sequence[HeatMap]
) -> tuple[list[str], dict[str, Any]]:
    """Where it can be read before it is written, and what steering there does."""
    model, untrained, _ = maps
    written_at = texts[0].written_at(of)
    if not written_at:
        return [], {}
    before = slice(0, written_at[0] + 1)
    gain = model.values[:, before] - untrained.values[:, before]
    layer, place = np.unravel_index((model.values[:, before] + 1e-3 * gain).argmax(), gain.shape)
    best, control = (
        Rate(round(float(one.values[layer, place]) * len(labels)), len(labels))
        for one in (model, untrained)
    )
    told = [
        f"before {of} is written it is read best at {model.rows[layer]}, {model.columns[place]!r}: "
        f"right in {best}, and in {control} in the untrained model"
    ]
    found = {"site": model.rows[layer], "position": int(place)}
    figures: dict[str, Any] = {
        "best": found | rate_json(best) | {"untrained": rate_json(control)},
    }
    if set(np.unique(labels)) == {0, 1}:
        top = int(model.values[:, written_at[0]].argmax())
        steered = _steered(subject, of, texts, labels, Site.parse(model.rows[top]))
        figures["steering"] = {"site": model.rows[top], **steered}
        told += [_steering_told(of, model.rows[top], push, one) for push, one in steered.items()]
    return told, figures


def _steering_told(of: str, site: str, push: str, steered: Steered) -> str:
    follows = [f"{part} follows it in {rate}" for part, rate in steered["follows"].items()]
    return (
        f"pushed {push} times past the border at {site}: {of} turns in {steered['turned']}; then "
        + (", ".join(follows) or "nothing depends on it")
    )


class Steered(TypedDict):
    """How often a part turned, and how often each that depends on it followed."""

    turned: str
    follows: dict[str, str]


def _steered(
    subject: Subject, of: str, texts: Sequence[Text], labels: Integers, site: Site
) -> dict[str, Steered]:
    """By push: how often the part turns, and how often those that depend on it turn with it."""
    opened, world = subject.opened, subject.world
    _, tokenizer = subject.trained.loaded
    place = texts[0].written_at(of)[0]
    values = opened.run(batch_ids(texts), keep=[site]).cache[site][:, place]
    scaler, probe = fitted(values.numpy(), labels)
    direction = torch.from_numpy(probe.coef_[0] / scaler.scale_).float()
    score = torch.from_numpy(probe.decision_function(scaler.transform(values.numpy()))).float()
    told: dict[str, Steered] = {}
    for push in PUSHES:
        steps = -(1 + push) * score[:, None] / direction.square().sum() * direction
        edits = [[Edit(site, (place,), step, keep=1.0)] for step in steps]
        tokens = written(
            opened,
            [text.ids[: place + 1] for text in texts],
            len(texts[0].ids),
            end_id(tokenizer),
            lambda row, _, edits=edits: edits[row],  # type: ignore[misc]
        )
        turned: list[bool] = []
        follows: dict[str, list[bool]] = {}
        for text, label, after in zip(texts, labels, tokens, strict=True):
            begun = text.ids[text.begins : place + 1]
            completion = str(tokenizer.decode([*begun, *after]))
            span = world.spans(completion)[of]
            turned.append(span is not None and span.value == 1 - label)
            if turned[-1]:
                for one in outcomes(world, text.prompt, of, completion):
                    follows.setdefault(one.part, []).append(one.follows == "written")
        told[str(push)] = {
            "turned": str(Rate(sum(turned), len(turned))),
            "follows": {part: str(Rate(sum(each), len(each))) for part, each in follows.items()},
        }
    return told
