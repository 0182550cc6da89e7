"""How much each piece of a model matters for questions: what is lost when it is silenced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from scipy.stats import spearmanr

from the_experiment.base.words import counted
from the_experiment.engine.outcome import HeatMap
from the_experiment.evaluation.statistics import (
    Drop,
    corrected,
    drop_in_share,
    join_names,
    mean_drop,
    short,
)
from the_experiment.experiments.questions.asking import (
    ALL,
    WHOLE,
    Answers,
    Given,
    Logprobs,
    by_kind,
    kinds_of_piece,
)
from the_experiment.experiments.questions.failures import FAILURES, RIGHT
from the_experiment.worlds.questions.question import Question

Found = TypeVar("Found", Given, float)  # of a question: an answer, or a log-probability
Drops = dict[str, dict[str, Drop]]  # by piece, by kind of question

ACCURACY, LOGPROB = "accuracy", "log-probability"  # of the right answer
MOST_TOLD = 3  # pieces in a sentence
FEWEST_RANKED, TOP = 4, 10  # pieces whose order is compared, and of them the first
BEYOND = "*"  # behind a drop that chance does not explain
KINDS = (RIGHT, *FAILURES)  # of answers


@dataclass(frozen=True)
class Importance:
    """What every piece is worth by each measure, and the kinds of answer without it."""

    drops: dict[str, Drops]  # by measure
    answers: dict[str, dict[str, int]]  # by piece, and without any: how many of each kind

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        drops = {
            measure: {
                piece: {kind: drop.as_json() for kind, drop in of.items()}
                for piece, of in drops.items()
            }
            for measure, drops in self.drops.items()
        }
        return {"drops": drops, "answers": self.answers}


def importance(
    questions: Sequence[Question],
    whole: Sequence[Given],
    without: Answers,
    logprobs: Logprobs,
    seed: int,
) -> Importance:
    """The drops in accuracy and in log-probability by kind of question, paired over questions.

    Log-probabilities are those `without` has where there are no others. The p are corrected for all
    drops of the same measure among pieces of the same kind.
    """
    kinds = by_kind(questions)

    def share(given: Sequence[Given], numbers: Sequence[int]) -> Drop:
        return drop_in_share([whole[n].right for n in numbers], [given[n].right for n in numbers])

    def logprob(found: Sequence[float], numbers: Sequence[int]) -> Drop:
        return mean_drop([whole[n].logprob for n in numbers], [found[n] for n in numbers], seed)

    drops = {ACCURACY: _drops(kinds, without, share)} if without else {}
    for replacement, found in (logprobs or {"": _logprobs(without)}).items():
        measure = f"{LOGPROB}, {replacement} ablation" if len(logprobs) > 1 else LOGPROB
        drops[measure] = _drops(kinds, found, logprob)
    counts = {piece: _counts(given) for piece, given in {WHOLE: whole, **without}.items()}
    return Importance(drops, counts)


def _logprobs(without: Answers) -> dict[str, list[float]]:
    return {piece: [one.logprob for one in given] for piece, given in without.items()}


def unit(measure: str) -> str:
    """What drops are in."""
    return "drop in accuracy" if measure == ACCURACY else "drop in nats"


def _drops(
    kinds: Mapping[str, Sequence[int]],
    without: Mapping[str, Sequence[Found]],
    measure: Callable[[Sequence[Found], Sequence[int]], Drop],
) -> Drops:
    found: Drops = {}
    for pieces in kinds_of_piece(list(without)).values():
        cells = [(piece, kind) for piece in pieces for kind in kinds]
        drops = corrected([measure(without[piece], kinds[kind]) for piece, kind in cells])
        for (piece, kind), drop in zip(cells, drops, strict=True):
            found.setdefault(piece, {})[kind] = drop
    return found


def _counts(given: Sequence[Given]) -> dict[str, int]:
    counts = Counter(one.kind for one in given)
    return {kind: counts[kind] for kind in KINDS}


# -- maps -----------------------------------------------------------------------------------------


def grids(found: Importance) -> Iterator[HeatMap]:
    """Layers × heads, or gates, by measure."""
    for measure, drops in found.drops.items():
        for kind, pieces in kinds_of_piece(list(drops)).items():
            if not many_per_layer(pieces[0]):
                continue
            places = [piece.partition(":")[2].split(".") for piece in pieces]
            layers, each = (list(dict.fromkeys(one)) for one in zip(*places, strict=True))
            if len(pieces) < len(layers) * len(each):
                continue  # only some of them
            cells = [[drops[f"{kind}:{row}.{one}"][ALL] for one in each] for row in layers]
            rows = tuple(f"layer {layer}" for layer in layers)
            columns = tuple(f"{kind} {one}" for one in each)
            yield _map(f"{measure}, without each {kind}", measure, rows, columns, cells)


def matrices(found: Importance) -> Iterator[HeatMap]:
    """Pieces × kinds of question, by measure, where there are several kinds.

    One map of heads, or gates, and one of whole layers with their parts.
    """
    for measure, drops in found.drops.items():
        for several in (True, False):
            pieces = [piece for piece in drops if many_per_layer(piece) == several]
            columns = [kind for kind in drops[pieces[0]] if kind != ALL] if pieces else []
            if columns:
                cells = [[drops[piece][column] for column in columns] for piece in pieces]
                title = f"{measure}, by kind of question"
                yield _map(title, measure, tuple(pieces), tuple(columns), cells)


def many_per_layer(piece: str) -> bool:
    """Whether a layer has several pieces of this kind, as it has heads.

    >>> many_per_layer("head:0.1"), many_per_layer("mlp:0")
    (True, False)
    """
    return "." in piece


def _map(
    title: str,
    measure: str,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    cells: Sequence[Sequence[Drop]],
) -> HeatMap:
    values = np.array([[cell.drop for cell in row] for row in cells])
    counts = {cell.n for row in cells for cell in row}
    most = float(np.abs(values).max()) or 1.0
    return HeatMap(
        title,
        unit(measure),
        rows,
        columns,
        values,
        tuple(tuple(short(one.drop) + BEYOND * one.beyond_chance for one in row) for row in cells),
        span=(-most, most),
        n=counts.pop() if len(counts) == 1 else None,
        low=np.array([[cell.low for cell in row] for row in cells]),
        high=np.array([[cell.high for cell in row] for row in cells]),
    )


def answers_map(found: Importance) -> HeatMap:
    """How many answers of each kind there are without each piece."""
    kinds = [kind for kind in KINDS if any(of[kind] for of in found.answers.values())]
    counts = np.array([[of[kind] for kind in kinds] for of in found.answers.values()], dtype=float)
    words = tuple(tuple(str(int(one)) for one in row) for row in counts)
    title = "kinds of answer with each component ablated"
    return HeatMap(title, "answers", tuple(found.answers), tuple(kinds), counts, words)


# -- sentences ------------------------------------------------------------------------------------


def sentences(found: Importance) -> list[str]:
    """What the drops say, kind of piece by kind of piece."""
    right = found.answers[WHOLE][RIGHT]
    measures = [measure for measure in found.drops if right or measure != ACCURACY]
    told = [] if right else [_nothing_to_lose(sum(found.answers[WHOLE].values()))]
    for measure in measures:
        drops = found.drops[measure]
        for kind, pieces in kinds_of_piece(list(drops)).items():
            told.append(_told(measure, kind, {piece: drops[piece][ALL] for piece in pieces}))
    likely = [drops for measure, drops in found.drops.items() if measure != ACCURACY]
    return [*told, *(_agreement(*likely) if len(likely) == 2 else ())]


def _agreement(zero: Drops, mean: Drops) -> Iterator[str]:
    """How far the two replacements rank pieces of a kind alike."""
    for kind, pieces in kinds_of_piece(list(zero)).items():
        one, other = ([drops[piece][ALL].drop for piece in pieces] for drops in (zero, mean))
        if len(pieces) < FEWEST_RANKED or min(len(set(one)), len(set(other))) == 1:
            continue
        order = spearmanr(one, other).statistic
        firsts = [
            {pieces[place] for place in np.argsort(drops)[::-1][:TOP]} for drops in (one, other)
        ]
        same = f"{len(firsts[0] & firsts[1])} of the top {len(firsts[0])}"
        yield (
            f"zero and mean ablation rank {counted(len(pieces), kind)} with a Spearman correlation "
            f"of {short(order)}; {same} are the same"
        )


def _nothing_to_lose(asked: int) -> str:
    return (
        f"None of {counted(asked, 'answer')} is right without ablation, so no ablation can lower "
        "the accuracy: see the log-probability of the right answer instead"
    )


def _told(measure: str, kind: str, drops: Mapping[str, Drop]) -> str:
    order = sorted(drops, key=lambda piece: -drops[piece].drop)
    most = [f"{piece} {_with_interval(drops[piece])}" for piece in order[:MOST_TOLD]]
    lost = sum(drop.beyond_chance and drop.drop > 0 for drop in drops.values())
    won = sum(drop.beyond_chance and drop.drop < 0 for drop in drops.values())
    better = f", {won} raise it" if won else ""
    return (
        f"{measure}, without one {kind}: {lost} of {len(drops)} lower it by more than "
        f"chance{better}; largest drops: {join_names(most)}"
    )


def _with_interval(drop: Drop) -> str:
    ends = f"{short(drop.low)} to {short(drop.high)}" if drop.n > 1 else "one question"
    return f"{short(drop.drop)} [{ends}]"
