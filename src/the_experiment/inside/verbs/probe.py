"""Where does a model know a value, and does it use it? Linear probes, and steering along one.

With the controls of Hewitt and Liang, "Designing and Interpreting Probes with Control Tasks", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Integers, Stream, derived_seed
from the_experiment.base.words import counted
from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids, decode_with_edits
from the_experiment.inside.hooked_model import untrained
from the_experiment.inside.maps import share_map
from the_experiment.inside.probing import (
    accuracy_map,
    across_boundary,
    folds,
    probed_sites,
    random_ways,
    repeated,
    separable,
)
from the_experiment.inside.sites import Site
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import TokenizedExample, refuse_mixed_lengths
from the_experiment.inside.verbs.force import outcomes
from the_experiment.models.texts import end_id
from the_experiment.worlds import World

MOST_STATES = 256
PUSHES = (1.0, 2.0, 4.0)  # how far steering goes past the probe's border, in distances from it
CONTROLS = ("untrained", "shuffled")  # the maps beside the model's, in this order


@verb("probe")
class Probe(VerbRequest):
    """Probes for one input or output at every layer and position, on all states of the split."""

    of: str
    seed: int = 0

    def run(self, subject: Subject) -> Outcome:
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
        written_at = texts[0].written_at(self.of)
        best = [_best(one, written_at) for one in maps]
        figures: dict[str, Any] = {"n": chance.n, "chance": chance.share}
        figures["best"] = {
            who: one.as_json() for who, one in zip(("model", *CONTROLS), best, strict=True)
        }
        sentences.append(_read_best(self.of, written_at, best))
        if separable(states, labels):
            sentences.append(
                f"{self.of} is linearly separable in the inputs, so that an untrained model may "
                f"pass too (its best: {best[1].rate}): a high accuracy alone says nothing here"
            )
        if written_at and set(np.unique(labels)) == {0, 1}:
            steering = _Steering(subject, self.of, texts, labels, self.seed)
            maps += steering.maps()
            figures["steering"] = steering.figures()
            sentences.append(steering.told())
        return Outcome(maps, figures, sentences)

    def _maps(
        self, subject: Subject, texts: Sequence[TokenizedExample], labels: Integers
    ) -> list[HeatMap]:
        shuffled = labels[Stream(self.seed, "labels").shuffled(len(labels))]
        what = {
            subject.name: (subject.hooked, labels),
            "the same model untrained": (untrained(subject.hooked, self.seed), labels),
            f"{subject.name}, labels shuffled": (subject.hooked, shuffled),
        }
        return [
            accuracy_map(
                f"{name}: a linear probe for {self.of}, {counted(len(texts), 'state')}",
                hooked,
                texts,
                each,
                folds(each, self.seed),
            )
            for name, (hooked, each) in what.items()
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
            f"fewer than two values of {name} occur in two or more states", "probe for another part"
        )
    return labels


@dataclass(frozen=True)
class Best:
    """Where a map of accuracies is highest, and how high."""

    site: str
    position: int
    label: str  # of the position
    rate: Rate

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {"site": self.site, "position": self.position} | self.rate.as_json()


def _best(one: HeatMap, written_at: Sequence[int]) -> Best:
    """Before the part is written, where it is; the first of several that are as good."""
    values = one.values[:, : written_at[0] + 1] if written_at else one.values
    row, column = np.unravel_index(values.argmax(), values.shape)
    n = one.n or 0
    rate = Rate(round(float(values[row, column]) * n), n)
    return Best(one.rows[row], int(column), one.columns[column], rate)


def _read_best(of: str, written_at: Sequence[int], best: Sequence[Best]) -> str:
    """Each best is the highest of as many cells, so that none is flattered beside another."""
    model, *controls = best
    when = f"before {of} is written it" if written_at else of
    untrained_best, shuffled = (one.rate for one in controls)
    return (
        f"{when} is read best at {model.site}, {model.label!r}: right in {model.rate}; at its own "
        f"best place in {untrained_best} from the untrained model, and in {shuffled} with shuffled "
        "labels"
    )


@dataclass(frozen=True)
class Steered:
    """How often a part turned, and how often each that depends on it followed."""

    turned: Rate
    follows: dict[str, Rate]
    random: Rate  # how often it turned in random directions of the same length

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        follows = {part: rate.as_json() for part, rate in self.follows.items()}
        return {
            "turned": self.turned.as_json(),
            "follows": follows,
            "random": self.random.as_json(),
        }


class _Steering:
    """What a push past the border of each layer's probe does where the part is decided."""

    def __init__(
        self,
        subject: Subject,
        of: str,
        texts: Sequence[TokenizedExample],
        labels: Integers,
        seed: int,
    ) -> None:
        self.subject, self.of, self.texts, self.labels, self.seed = subject, of, texts, labels, seed
        self.place = texts[0].written_at(of)[0]
        self.sites = probed_sites(subject.hooked)
        self.steered = [[self._steered(site, push) for push in PUSHES] for site in self.sites]
        self.rows = tuple(map(str, self.sites))
        self.columns = tuple(f"{push:g} times" for push in PUSHES)

    def maps(self) -> list[HeatMap]:
        """How often the part turns, and how often in random directions."""
        told = f"{self.subject.name}: {self.of} turns when pushed"
        n = counted(len(self.texts), "state")
        along = np.array([[one.turned.k for one in pushes] for pushes in self.steered])
        random = np.array([[one.random.k for one in pushes] for pushes in self.steered])
        return [
            share_map(title, "share", self.rows, self.columns, counts, len(self.texts))
            for title, counts in (
                (f"{told} past the border, {n}", along),
                (f"{told} as far in a random direction, {n}", random),
            )
        ]

    def figures(self) -> dict[str, Any]:
        """By layer and push."""
        return {
            row: dict(zip(self.columns, (one.as_json() for one in pushes), strict=True))
            for row, pushes in zip(self.rows, self.steered, strict=True)
        }

    def told(self) -> str:
        """The layer and push at which the part turns most often."""
        every = [
            (one, row, column)
            for row, pushes in zip(self.rows, self.steered, strict=True)
            for column, one in zip(self.columns, pushes, strict=True)
        ]
        most, row, column = max(every, key=lambda found: found[0].turned.k)
        if not most.turned.k:
            return f"{self.of} turns nowhere, however far it is pushed past the border"
        follows = [f"{part} follows it in {rate}" for part, rate in most.follows.items()]
        return (
            f"{self.of} turns most often, in {most.turned}, pushed {column} past the border at "
            f"{row}; then {', '.join(follows) or 'nothing depends on it'}; random directions of "
            f"that length turn it in {most.random}"
        )

    def _steered(self, site: Site, push: float) -> Steered:
        values = self.subject.hooked.run(batch_ids(self.texts), keep=[site]).cache[site]
        steps = across_boundary(values[:, self.place].numpy(), self.labels, push)
        seed = derived_seed(self.seed, "random direction", str(site))
        turned, follows = self._pushed(site, steps)
        random, _ = self._pushed(site, random_ways(steps, seed))
        return Steered(turned, follows, random)

    def _pushed(self, site: Site, steps: Tensor) -> tuple[Rate, dict[str, Rate]]:
        """How often the part turns under these steps (states, width), and what turns with it."""
        world, (_, tokenizer) = self.subject.world, self.subject.trained.loaded
        beginnings = [text.ids[: self.place + 1] for text in self.texts]
        edits = [Edit(site, (self.place,), step, keep=1.0) for step in steps]
        most, end = len(self.texts[0].ids), end_id(tokenizer)
        tokens = decode_with_edits(
            self.subject.hooked, beginnings, most, end, lambda row, _: [edits[row]]
        )
        turned: list[bool] = []
        follows: dict[str, list[bool]] = {}
        for text, label, after in zip(self.texts, self.labels, tokens, strict=True):
            completion = str(tokenizer.decode([*text.ids[text.begins : self.place + 1], *after]))
            span = world.spans(completion)[self.of]
            turned.append(span is not None and bool(span.value == 1 - label))
            if turned[-1]:
                for part, one in outcomes(world, text.prompt, self.of, completion).items():
                    follows.setdefault(part, []).append(one.follows == "written")
        rates = {part: Rate(sum(each), len(each)) for part, each in follows.items()}
        return Rate(sum(turned), len(turned)), rates
