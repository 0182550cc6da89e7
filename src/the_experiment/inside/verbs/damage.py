"""Damage: break a part of a model, from the start or in the middle of a completion."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from the_experiment.base.errors import UsageError
from the_experiment.engine.outcome import SHARES, HeatMap, Outcome
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.edits import Edit
from the_experiment.inside.grading import batch_ids, decode_with_edits
from the_experiment.inside.healing import heal
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interventions import (
    FlipWeights,
    Noise,
    Prune,
    Reference,
    ZeroWeights,
    first_place,
)
from the_experiment.inside.subject import Subject
from the_experiment.inside.texts import TokenizedExample
from the_experiment.inside.weights import Weights
from the_experiment.models.scoring import max_positions
from the_experiment.models.texts import end_id

MOST_STATES = 256
TIMES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of a curve: multiples of the amount asked for
SEEDS = 5  # of each amount

Done = FlipWeights | ZeroWeights | Noise | Prune
Numbers = npt.NDArray[np.float64]


@verb("damage")
class Damage(VerbRequest):
    """One kind of damage to one completion, and how much of it all states bear.

    The map's share is of distinct states whose right completion stays the likeliest to its end.
    """

    sequence: str
    flip: float | None = Field(None, gt=0, le=1)  # the share of weights whose sign is turned
    zero: float | None = Field(None, gt=0, le=1)  # the share of weights that become zero
    noise: float | None = Field(None, gt=0)  # of the stream at every layer, in its deviations
    prune: str | None = None  # a piece: layer:3, head:2.1, mlp:0, neuron:1.37
    at_token: int | None = Field(None, ge=1)  # from the t-th token that is written on
    heal: int = Field(0, ge=0)  # steps of training after damage to weights
    seed: int = 0

    @model_validator(mode="after")
    def _one_kind(self) -> Damage:
        if sum(one is not None for one in (self.flip, self.zero, self.noise, self.prune)) != 1:
            raise ValueError("give one of --flip, --zero, --noise and --nuke")
        if self.heal and self.flip is None and self.zero is None:
            raise ValueError("only damaged weights can be healed: give --flip or --zero")
        if self.heal and self.at_token is not None:
            raise ValueError("healing needs damage from the start: leave --at-token out")
        return self

    def run(self, subject: Subject) -> Outcome:
        """The completion before and after, and a curve over amounts and seeds."""
        text = subject.text(self.sequence)
        check_token(text, self.at_token)
        states = subject.drawn(MOST_STATES, self.seed)
        kinds = {kind: subject.texts(some) for kind, some in states.items()}
        reference = Reference(subject, kinds["seen"])
        before = _completion(subject, reference, text, [], None)
        done = self._done(subject.hooked, self._asked, self.seed)
        after = _completion(subject, reference, text, done, self.at_token)
        figures: dict[str, Any] = {"before": before, "after": after}
        sentences = [f"before: {before!r}", f"after:  {after!r}"]
        maps = self._curves(subject, reference, kinds)
        if self.heal:
            weights, _ = _split(subject.hooked, done)
            assert weights is not None
            told, healing = heal(subject, weights, kinds, self.heal, self.seed)
            figures["healing"] = told
            sentences += healing
        return Outcome(maps, figures, sentences)

    @property
    def _asked(self) -> float:
        """How much was asked for; a piece is wholly there or not."""
        return self.flip or self.zero or self.noise or 1.0

    def _done(self, hooked: HookedModel, amount: float, seed: int) -> list[Done]:
        """So much of the damage, as interventions."""
        token = self.at_token
        if not amount:
            return []
        if self.flip is not None:
            return [FlipWeights(share=amount, seed=seed, from_token=token)]
        if self.zero is not None:
            return [ZeroWeights(share=amount, seed=seed, from_token=token)]
        if self.prune is not None:
            return [Prune(piece=self.prune, from_token=token)]
        return [
            Noise(site=str(site), scale=amount, seed=seed, from_token=token)
            for site in hooked.sites(hooked.layout.stream)
        ]

    def _curves(
        self, subject: Subject, reference: Reference, kinds: dict[str, list[TokenizedExample]]
    ) -> list[HeatMap]:
        """A map for each kind of state: the mean over seeds, then each seed."""
        seeds = [self.seed + number for number in range(1 if self.prune else SEEDS)]
        maps = []
        for kind, shares in self._shares(subject, reference, kinds, seeds).items():
            rows = (kind,) if self.prune else tuple(f"seed {seed}" for seed in seeds)
            if not self.prune:
                rows = (f"mean of {len(seeds)} seeds", *rows)
                shares = np.concatenate([shares.mean(0, keepdims=True), shares])
            n = len(kinds[kind])
            title = f"{subject.name}, {n} {kind}: {self._axis()}"
            columns = self._columns()
            maps.append(HeatMap(title, "share exact", rows, columns, shares, span=SHARES, n=n))
        return maps

    def _shares(
        self,
        subject: Subject,
        reference: Reference,
        kinds: dict[str, list[TokenizedExample]],
        seeds: Sequence[int],
    ) -> dict[str, Numbers]:
        """By kind of state: the share that stays exact, (seeds, amounts)."""
        texts = [text for some in kinds.values() for text in some]
        which = np.array([kind for kind, some in kinds.items() for _ in some])
        exact = np.array(
            [
                [
                    _exact(subject.hooked, reference, texts, done, self.at_token)
                    for done in (self._done(subject.hooked, one, seed) for one in self._amounts())
                ]
                for seed in seeds
            ]
        )  # (seeds, amounts, texts)
        return {kind: exact[..., which == kind].mean(-1) for kind in kinds}

    def _amounts(self) -> list[float]:
        """None, and several around what was asked for."""
        if self.prune:
            return [0.0, self._asked]
        most = np.inf if self.noise else 1.0
        return list(dict.fromkeys(min(self._asked * times, most) for times in TIMES))

    def _columns(self) -> tuple[str, ...]:
        if self.prune:
            return ("whole", "without")
        if self.noise:
            return tuple(f"{amount:.3g}" for amount in self._amounts())
        return tuple(f"{100 * amount:.3g}%" for amount in self._amounts())

    def _axis(self) -> str:
        """What the columns are."""
        if self.prune:
            what = f"without {self.prune}"
        elif self.noise:
            what = "by noise, in deviations"
        else:
            what = f"by share of {'flipped' if self.flip else 'zeroed'} weights"
        return what if self.at_token is None else f"{what}, from token {self.at_token}"


def _split(hooked: HookedModel, done: Sequence[Done]) -> tuple[Weights | None, list[Noise | Prune]]:
    """What the damage does to weights, and what to activations."""
    weights = [one.weights(hooked) for one in done if isinstance(one, FlipWeights | ZeroWeights)]
    return (weights[0] if weights else None), [
        one for one in done if isinstance(one, Noise | Prune)
    ]


def _exact(
    hooked: HookedModel,
    reference: Reference | None,
    texts: Sequence[TokenizedExample],
    done: Sequence[Done],
    at_token: int | None,
) -> list[bool]:
    """Whether each right completion stays the likeliest, token by token."""
    weights, others = _split(hooked, done)
    edits: list[list[Edit]] = []
    if others and reference is not None:
        edits = [[edit for one in others for edit in one.edits(reference, text)] for text in texts]
    first = {first_place(text, at_token) for text in texts}
    if len(first) > 1:  # a batch has other weights from one position on
        return [one for text in texts for one in _exact(hooked, reference, [text], done, at_token)]
    ran = hooked.run(batch_ids(texts), edits, weights=weights, weights_from=first.pop())
    likeliest = ran.logits.argmax(-1)
    return [
        bool((likeliest[row, text.completing] == text.targets[text.completing]).all())
        for row, text in enumerate(texts)
    ]


def _completion(
    subject: Subject,
    reference: Reference,
    text: TokenizedExample,
    done: Sequence[Done],
    at_token: int | None,
) -> str:
    """What the model writes after the prompt under this damage."""
    _, tokenizer = subject.trained.loaded
    hooked = subject.hooked
    weights, others = _split(hooked, done)
    first = first_place(text, at_token)
    most = min(len(text.ids), (max_positions(hooked.model) or sys.maxsize) - text.begins)
    edits = [edit for one in others for edit in one.edits(reference, text, text.begins + most)]

    def edits_of(_: int, length: int) -> list[Edit]:
        return [cut for edit in edits if (cut := edit.before(length))]

    tokens = decode_with_edits(
        hooked,
        [text.ids[: text.begins]],
        most,
        end_id(tokenizer),
        edits_of if others else None,
        weights,
        first,
    )
    return str(tokenizer.decode(tokens[0]))


def check_token(text: TokenizedExample, at_token: int | None) -> None:
    """Raise `UsageError` for a token after the completion's end."""
    if at_token is not None and at_token > len(text.completing):
        raise UsageError(
            f"there is no token {at_token}: the completion has {len(text.completing)}",
            "give an earlier --at-token",
        )
