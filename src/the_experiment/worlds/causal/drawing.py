"""Puzzles drawn by the kinds: as many as are asked for, no two alike, answers in balance."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import Stream, derived_seed
from the_experiment.worlds.causal.graphs import NAMINGS, drawn_names, shape, variables
from the_experiment.worlds.causal.puzzle import PUZZLES, YES_NO, Draft, Puzzle
from the_experiment.worlds.generators import shuffled

SIZES = (4, 5, 6, 7)  # variables
SMALLEST, LARGEST = 3, 16
PATIENCE = 300  # draws for each puzzle that is asked for


class Stratum(NamedTuple):
    """What puzzles are drawn together, and balanced on their own."""

    kind: str
    size: int
    naming: str


def draw_puzzles(
    count: int,
    seed: int,
    kinds: Sequence[str] = (),
    sizes: Sequence[int] = SIZES,
    naming: Sequence[str] = NAMINGS,
    without: Collection[str] = (),
) -> list[Puzzle]:
    """`count` different puzzles in random order; no kinds are all, and each cell gets its share.

    In each kind, size and naming, and for each number of variables given, as many answers are yes
    as no, but for one. No puzzle has a shape in `without` (of `Puzzle.shapes`). The same seed gives
    the same puzzles. Raises `UsageError` for an unknown kind or naming, a size that there is not,
    and where there are not that many.

    >>> puzzle = draw_puzzles(1, seed=3, kinds=["root-cause"], sizes=[3], naming=["letters"])[0]
    >>> puzzle.edges, puzzle.asked, puzzle.answer
    ((('U', 'T'), ('N', 'U')), ('T',), 'N')
    """
    cells = [Stratum(*cell) for cell in product(kinds or PUZZLES.names(), sizes, naming)]
    _refuse_unknown(cells)
    order = Stream(seed, "cells").shuffled(len(cells)).tolist()
    shares = [count // len(cells)] * len(cells)
    for number in order[: count % len(cells)]:
        shares[number] += 1
    drawn = [
        puzzle
        for cell, share in zip(cells, shares, strict=True)
        for puzzle in _drawn(cell, share, seed, without)
    ]
    return [drawn[number] for number in Stream(seed, "puzzles").shuffled(len(drawn)).tolist()]


def _refuse_unknown(cells: Sequence[Stratum]) -> None:
    if not cells:
        raise UsageError("there are no sizes or names to draw puzzles with", "give one of each")
    for cell in cells:
        PUZZLES[cell.kind]
        if not SMALLEST <= cell.size <= LARGEST:
            raise UsageError(
                f"there are no puzzles of {cell.size} variables", f"{SMALLEST} to {LARGEST}"
            )
        if cell.naming not in NAMINGS:
            raise UsageError(
                f"variables can't be named by {cell.naming!r}", f"one of {', '.join(NAMINGS)}"
            )


def _drawn(cell: Stratum, count: int, seed: int, without: Collection[str]) -> list[Puzzle]:
    """So many different puzzles of a cell.

    Of each two that ask for yes or no, with as many variables given, one is to be answered yes.
    """
    rng = np.random.RandomState(derived_seed(seed, *cell) % 2**32)
    found: dict[str, Puzzle] = {}
    due: dict[int, list[str]] = {}
    for _ in range(PATIENCE * count):
        if len(found) == count:
            break
        draft = PUZZLES[cell.kind].draw(drawn_names(cell.naming, cell.size, rng), rng)
        if draft is None or draft.question in found:
            continue
        if without and (draft.component in without or shape(draft.edges) in without):
            continue
        if draft.asks == "yes-no":
            wanted = due.setdefault(len(draft.given), [])
            if not wanted:
                wanted += shuffled(rng, YES_NO)
            if draft.answer != wanted[-1]:
                continue
            wanted.pop()
        found[draft.question] = _puzzle(draft, cell)
    if len(found) < count:
        raise UsageError(
            f"found fewer than {count} different puzzles of the kind {cell.kind} with {cell.size} "
            f"variables{' and a shape that is not left out' if without else ''}",
            "ask for fewer, for larger ones, or for other kinds",
        )
    return list(found.values())


def _puzzle(draft: Draft, cell: Stratum) -> Puzzle:
    return Puzzle(
        **draft.model_dump(),
        kind=cell.kind,
        graph=shape(draft.edges),
        naming=cell.naming,
        size=len(variables(draft.edges)),
    )
