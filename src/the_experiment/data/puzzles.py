"""Puzzles about causes, drawn into a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from the_experiment.base.files import replaced_folder
from the_experiment.data.trace_folder import counts, write_manifest, write_rows
from the_experiment.data.trace_rows import PUZZLES, asked_in
from the_experiment.worlds.causal.drawing import SIZES, draw_puzzles
from the_experiment.worlds.causal.naming import NAMINGS


@dataclass(frozen=True)
class PuzzleRequest:
    """What is drawn; see `draw_puzzles`. No kinds are all of them.

    No puzzle is drawn that shares its graph, or the component of it that it asks about, with one in
    the files or folders `without`.
    """

    count: int
    seed: int
    kinds: Sequence[str] = ()
    sizes: Sequence[int] = SIZES
    naming: Sequence[str] = NAMINGS
    without: Sequence[str] = ()


def generate_puzzles(request: PuzzleRequest, folder: Path) -> Path:
    """Draw puzzles and write them into a new folder, whole or not at all; the same seed gives the
    same bytes. Raises `UsageError` as `draw_puzzles` does, and for files that can't be read.
    """
    seen = {shape for path in request.without for _, one in asked_in(Path(path)) for shape in one}
    puzzles = draw_puzzles(
        request.count, request.seed, request.kinds, request.sizes, request.naming, seen
    )
    rows = [puzzle.model_dump(mode="json", exclude_defaults=True) for puzzle in puzzles]
    yes_or_no = Counter(puzzle.answer for puzzle in puzzles if puzzle.asks == "yes-no")
    told = {
        **asdict(request),
        "graphs": len({puzzle.graph for puzzle in puzzles}),
        "counts": counts(rows),
        "yes_or_no": dict(sorted(yes_or_no.items())),
    }
    with replaced_folder(folder) as new:
        write_rows(new / PUZZLES, rows)
        write_manifest(new, told)
    return folder
