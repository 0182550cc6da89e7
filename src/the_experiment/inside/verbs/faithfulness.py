"""The map graded: does what a model uses for a part fall on what the rules compute it from?

A part's causal ancestors are known from the rules. Four methods say how much each value of a text
matters to it (`inside/attributions.py`); the score is the share that falls on the ancestors, and
that of untrained models is the baseline. And where a text is made to contradict itself, by swapping
one value and keeping the rest, it shows whether a part follows what is written or the inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.engine.outcome import HeatMap, Outcome
from the_experiment.evaluation.statistics import join_names, short
from the_experiment.inside.attributions import METHODS, methods_of
from the_experiment.inside.card import VerbRequest, verb
from the_experiment.inside.interchange import Interchanged, interchanged
from the_experiment.inside.maps import (
    TOLD,
    followed_cell,
    graded_map,
    interval_told,
    median_cell,
    query_for,
    score_cell,
    side_by_side,
)
from the_experiment.inside.scores import gradable
from the_experiment.inside.subject import Subject, families
from the_experiment.inside.swaps import swaps_of
from the_experiment.inside.texts import TokenizedExample

MOST_STATES = 32  # of one kind


@verb("faithfulness")
class Faithfulness(VerbRequest):
    """Of every part that something besides its ancestors stands before."""

    seed: int = 0

    def run(self, subject: Subject) -> Outcome:
        """Maps of what matters to each part, their scores, and what follows what after a swap.

        Raises `UsageError` for a world each of whose parts depends on everything before it.
        """
        if not gradable(subject.world):
            raise UsageError(
                f"in world {subject.world.name} every part depends on all that stands before it",
                "there is nothing else that a model could use; ask about another world",
            )
        figures: dict[str, Any] = {}
        maps: list[HeatMap] = []
        for kind, states in subject.drawn(MOST_STATES, self.seed).items():
            figures[kind], shown = self._graded(subject, kind, subject.texts(states))
            maps += shown
        return _side_by_side({subject.name: figures}, maps, figures)

    def together(self, found: Sequence[tuple[Subject, Outcome]]) -> Outcome:
        """The scores of several models in the same maps."""
        figures = super().together(found).figures
        by_family = {
            family: {one.name: figures[one.name] for one in some}
            for family, some in families([subject for subject, _ in found]).items()
        }
        grouped = {name for some in by_family.values() for name in some}
        alone = {name: of for name, of in figures.items() if name not in grouped}
        told = [one for family, some in by_family.items() for one in _used_by(family, some)]
        maps = [*_medians(by_family), *_side_by_side(figures, [], figures).maps]
        return Outcome(maps, figures, [*told, *_elsewhere(alone)])

    def _graded(
        self, subject: Subject, kind: str, texts: Sequence[TokenizedExample]
    ) -> tuple[dict[str, Any], list[HeatMap]]:
        swaps = swaps_of(subject, texts, self.seed)
        asked = query_for(subject, texts, swaps)
        which = f"{len(texts)} {kind} states"
        graded = {
            method: graded_map(subject, asked, method, which, self.seed)
            for method in methods_of(subject.hooked)
        }
        order = subject.world.parts
        found = sorted(interchanged(subject, swaps), key=lambda one: order.index(one.part))
        scores = {method: of_parts for method, (_, of_parts) in graded.items()}
        told = {"states": len(texts), "scores": scores, **_followed(found)}
        return told, [heat_map for heat_map, _ in graded.values()]


def _followed(found: Iterable[Interchanged]) -> dict[str, Any]:
    """After swaps: how often parts turn and stay as the rules say, and what they follow else.

    A text that contradicts itself has two right answers; all others count for the rules.
    """
    counts: dict[str, dict[str, Counter[str]]] = {"turns": {}, "stays": {}, "follows": {}}
    for one in found:
        if one.expected.tells:
            what, name = "follows", f"{one.swapped} → {one.part}"
        else:
            what, name = "turns" if one.turns else "stays", one.part
        counts[what].setdefault(name, Counter())[one.follows] += 1
    return {
        what: {
            name: {how: count[how] for how in ("written", "input", "neither")}
            for name, count in each.items()
        }
        for what, each in counts.items()
    }


# -- one model or several, side by side ------------------------------------------------------------

Figures = Mapping[str, Mapping[str, Any]]  # by model, then by kind of state


def _side_by_side(figures: Figures, maps: Sequence[HeatMap], kept: Figures) -> Outcome:
    shown = [*_scores(figures), *_counts(figures), *maps]
    return Outcome(shown, kept, list(_elsewhere(figures)))


def _scores(figures: Figures) -> Iterator[HeatMap]:
    """The scores by part, beside the untrained models': a map for each method."""
    for method in METHODS:
        rows: dict[str, dict[str, Any]] = {}
        for name, kinds in figures.items():
            scores = {kind: one["scores"].get(method) for kind, one in kinds.items()}
            rows |= {f"{name}, {kind}": of_parts for kind, of_parts in scores.items() if of_parts}
            first = next(iter(scores.values()))
            if first:
                rows[f"{name}, untrained"] = {p: of["untrained"] for p, of in first.items()}
        title = f"share of the {TOLD[method]} that is on a part's causal ancestors"
        yield from side_by_side(title, rows, score_cell)


def _counts(figures: Figures) -> Iterator[HeatMap]:
    """How often parts do what the text says after a swap, and what they follow where it is torn."""
    titles = {
        "turns": "one value is another: turns as the rules say",
        "stays": "one value is another: stays as the rules say",
        "follows": "two values contradict each other: follows what is written, not the input",
    }
    for what, title in titles.items():
        rows = {f"{name}, {kind}": one[what] for name, kind, one in _each(figures)}
        yield from side_by_side(title, rows, followed_cell)


def _elsewhere(figures: Figures) -> Iterator[str]:
    """What models use that is no causal ancestor by the rules."""
    for name, kind, one in _each(figures):
        for part, of in one["scores"]["swaps"].items():
            if of["elsewhere"]:
                found = [f"{other} ({short(share)})" for other, share in of["elsewhere"].items()]
                yield (
                    f"{name}, {kind}: {part} also uses {join_names(found)}, not its causal "
                    "ancestors; "
                    f"{interval_told(of)} is on its ancestors, "
                    f"untrained {short(of['untrained']['share'])}"
                )


# -- families of models ----------------------------------------------------------------------------


def _medians(by_family: Mapping[str, Figures]) -> Iterator[HeatMap]:
    """The scores of whole families by part: a map for each method."""
    for method in METHODS:
        rows: dict[str, dict[str, list[float]]] = {}
        for family, figures in by_family.items():
            of: dict[str, dict[str, list[float]]] = {"seen": {}, "held-out": {}, "untrained": {}}
            for _, kind, one in _each(figures):
                for part, score in one["scores"].get(method, {}).items():
                    of[kind].setdefault(part, []).append(score["share"])
                    of["untrained"].setdefault(part, []).append(score["untrained"]["share"])
            rows |= {f"{family} × {len(figures)}, {row}": of[row] for row in of if of[row]}
        title = f"the middle of several models (from the lowest to the highest): {TOLD[method]}"
        yield from side_by_side(f"{title} on a part's causal ancestors", rows, median_cell)


def _used_by(family: str, figures: Figures) -> Iterator[str]:
    """In how many models of a family a part uses what is no causal ancestor of it."""
    counts = Counter(
        (kind, part, other)
        for _, kind, one in _each(figures)
        for part, of in one["scores"]["swaps"].items()
        for other in of["elsewhere"]
    )
    common = {what: count for what, count in counts.items() if 2 * count >= len(figures)}
    for (kind, part, other), count in common.items():
        yield (
            f"{family}, {kind}: {part} also uses {other}, not its causal ancestor, in {count} "
            f"of {len(figures)} models"
        )
    if not common:
        yield f"{family}: in no part does half of the {len(figures)} models use anything else"


def _each(figures: Figures) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for name, kinds in figures.items():
        for kind, one in kinds.items():
            yield name, kind, one
