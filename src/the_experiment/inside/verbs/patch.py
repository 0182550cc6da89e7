"""Patching as a request: which places and heads decide each part, over one pair or many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream
from the_experiment.base.words import counted
from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.evaluation.statistics import Rate
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.maps import (
    Scores,
    graded_map,
    mean_map,
    query_for,
    score_told,
    share_map,
)
from the_experiment.inside.patching import Pair, Patched, Patching, at_random
from the_experiment.inside.scores import gradable
from the_experiment.inside.subject import Subject
from the_experiment.inside.swaps import swaps_of
from the_experiment.inside.texts import TokenizedExample

MOST_PAIRS = 64
FEWEST_TO_HALVE = 8  # pairs, from which on one half chooses the best place and the other counts
PIECES = ("head", "gate")  # what is patched at all positions at once, in a model that has them


@verb("patch")
class PatchMaps(VerbRequest):
    """One sequence with another (`to`, or one input changed); all of them where none is given."""

    sequence: str | None = None
    to: str | None = None
    pairs: int = Field(MOST_PAIRS, ge=1)  # so many of all, drawn by `seed`
    seed: int = 0

    @model_validator(mode="after")
    def _into_one(self) -> PatchMaps:
        if self.to is not None and self.sequence is None:
            raise ValueError("also give the sequence to patch")
        return self

    def run(self, subject: Subject) -> Outcome:
        """For each part that differs: what a patch does, by layer and position, head or gate.

        Raises `UsageError` for sequences whose texts are not of the same shape.
        """
        pairs, sentences = self._pairs(subject)
        parts = subject.world.parts
        patching = Patching(subject.hooked, pairs, parts)
        pieces = [piece for piece in PIECES if piece in subject.hooked.layout.components]
        tables = [patching.at_positions(), *(patching.in_pieces(piece) for piece in pieces)]
        maps: list[tuple[HeatMap, ...]] = []
        figures: dict[str, Any] = {}
        for number, part in enumerate(parts):
            differ, answered = patching.differ[:, number], patching.answered[:, number]
            sentences += _left_out(part, int(differ.sum()), int(answered.sum()))
            if answered.any():
                end = pairs[0].base.written_at(part)[-1] + 1  # a later position can't matter
                turned = [table.of_part(number, answered, end) for table in tables]
                maps.append(
                    tuple(one for each in turned for one in self._maps(subject, part, each))
                )
                told = {each.of: self._best(part, each) for each in turned}
                figures[part] = {of: found for of, (found, _) in told.items()}
                sentences += [sentence for _, sentence in told.values()]
        if not patching.differ.any():
            sentences.append("the answers are the same, so that nothing can turn")
        by_kind = zip(*maps, strict=True)  # one kind of map for every part, then the next kind
        shown = [one for kind in by_kind for one in kind]
        if gradable(subject.world) and patching.differ.any():
            graded, figures["scores"] = self._graded(subject, [pair.base for pair in pairs])
            shown.append(graded)
            sentences += [score_told(part, "patches", of) for part, of in figures["scores"].items()]
        return Outcome(shown, figures, sentences)

    def _graded(
        self, subject: Subject, bases: Sequence[TokenizedExample]
    ) -> tuple[HeatMap, Scores]:
        """Where the effect is when any value may be another, not those alone that turn the part."""
        texts = list(dict.fromkeys(bases))
        asked = query_for(subject, texts, swaps_of(subject, texts, self.seed))
        return graded_map(subject, asked, "patches", counted(len(texts), "text"), self.seed)

    def _pairs(self, subject: Subject) -> tuple[list[Pair], list[str]]:
        """Pairs of one shape, and what is to be said about the others."""
        if not subject.world.changeable and self.to is None:
            raise UsageError(
                f"texts of world {subject.world.name} have no input that can be changed",
                "name two with the same number of tokens: patch SEQ --to SEQ",
            )
        if self.sequence is not None:
            return [_named(subject, self.sequence, self.to)], []
        drawn = self._drawn(subject)
        alike = [pair for pair in drawn if pair.alike]
        if not alike:
            raise UsageError(
                "in no pair of sequences are both texts of the same shape",
                "name two that are: patch SEQ --to SEQ",
            )
        ((commonest, _),) = Counter(pair.base.shape for pair in alike).most_common(1)
        kept = [pair for pair in alike if pair.base.shape == commonest]
        left = len(drawn) - len(kept)
        why = "their texts have another shape"
        return kept, [f"{left} of {len(drawn)} pairs are left out: {why}"] if left else []

    def _drawn(self, subject: Subject) -> list[Pair]:
        """Different pairs; the same two the other way round would tell the same again."""
        world, states = subject.world, np.concatenate(subject.states())
        names = world.changeable
        drawn: dict[frozenset[str], tuple[str, str]] = {}
        for place in Stream(self.seed, "pairs").shuffled(len(states) * len(names)):
            state, changed = divmod(int(place), len(names))
            (prompt,) = world.prompts(states[[state]])
            try:
                other = world.neighbour(prompt, names[changed])
            except UsageError:  # a program in which every constant occurs
                continue
            drawn.setdefault(frozenset((prompt, other)), (prompt, other))
            if len(drawn) == self.pairs:
                break
        return [Pair(subject.text(one), subject.text(other)) for one, other in drawn.values()]

    def _maps(self, subject: Subject, part: str, turned: Patched) -> tuple[HeatMap, HeatMap]:
        """The share that became the other answer, and how far the logits went towards it."""
        n = len(turned.became)
        told = f"{subject.name}, {part} by {turned.of}, {counted(n, 'pair')}"
        names = (turned.rows, turned.columns)
        return (
            share_map(f"{told}: became the other answer", "share", *names, turned.became.sum(0), n),
            mean_map(f"{told}: logit difference", "logits", *names, turned.effect, self.seed),
        )

    def _best(self, part: str, turned: Patched) -> tuple[dict[str, Any], str]:
        """The place that turns most pairs, beside one at random of its layer; in words too.

        Where there are many pairs, one half chooses the place and the other is counted.
        """
        n, of = len(turned.became), turned.of
        half = n // 2 if n >= FEWEST_TO_HALVE else 0
        choosing, counting = turned.became[: half or n], turned.became[half:]
        if not choosing.any():
            return {
                "n": n,
                "best": None,
            }, f"{part}: no {of} alone turns it in {len(choosing)} pairs"
        row, column = np.unravel_index(choosing.mean(0).argmax(), choosing.shape[1:])
        rate = Rate(int(counting[:, row, column].sum()), len(counting))
        found = {"site": turned.rows[row], of: turned.columns[column], "column": int(column)}
        figures: dict[str, Any] = {"n": n, "chosen_on": half or n, "best": found | rate.as_json()}
        chosen = f"the best {of} in {half} other pairs" if half else f"the best {of} of all"
        told = (
            f"{part}: {turned.rows[row]} at {turned.columns[column]!r}, {chosen}, turns it into "
            f"the other answer in {rate}"
        )
        if len(turned.columns) > 1:
            control = at_random(counting, int(column), Stream(self.seed, "control", part, of))
            figures["random"] = dict(
                zip(turned.rows, (rate.as_json() for rate in control), strict=True)
            )
            told += f"; a random other {of} of that layer in {control[row]}"
        return figures, told


def _named(subject: Subject, base: str, to: str | None) -> Pair:
    """A sequence with this one, or the first of its neighbours that has the same shape."""
    world = subject.world
    others = [to] if to else [world.neighbour(base, name) for name in world.changeable]
    for other in others:
        pair = Pair(subject.text(base), subject.text(other))
        if pair.alike:
            return pair
    raise UsageError(
        f"the texts of {base} and {others[0]} differ in shape",
        "name one of the same number of tokens with --to",
    )


def _left_out(part: str, differ: int, answered: int) -> list[str]:
    if differ == answered:
        return []
    left = f"{differ - answered} of {counted(differ, 'pair')}"
    return [f"{part}: {left} left out: the model isn't right in both"]
