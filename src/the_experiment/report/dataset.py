"""What `generate` says at its end: what was held out, and what one can conclude from it."""

from __future__ import annotations

from rich.markup import escape

from the_experiment.data.folder import HELD_OUT, DatasetFolder
from the_experiment.data.split import Split

MOST_SHOWN = 12  # held-out sequences named one by one
MOST_PROGRAMS = 3  # … of several lines


def dataset_summary(folder: DatasetFolder) -> str:
    """A few lines for the terminal, counting distinct states, not rows."""
    manifest = folder.manifest
    split = Split(manifest)
    rows = ", ".join(
        f"{name} {count:,}" for name, count in manifest.rows.items() if name != HELD_OUT
    )
    of_lines = any("\n" in prompt for prompt in manifest.held_out)
    some = manifest.held_out[: MOST_PROGRAMS if of_lines else MOST_SHOWN]
    shown = "  ".join(map(repr, some) if of_lines else some)
    more = len(manifest.held_out) - len(some)
    lines = [
        f"[bold]{escape(str(folder.path))}/[/]: rows: {rows}",
        f"world {manifest.world}: {manifest.states:,} states, {len(split.seen):,} of them in the "
        f"training rows, {len(manifest.held_out):,} held out ({escape(str(manifest.hold_out))})",
    ]
    if shown:
        lines.append(f"held out: {escape(shown)}" + (f"  and {more:,} more" if more > 0 else ""))
    return "\n".join([*lines, _conclusion(len(manifest.held_out))])


def _conclusion(held_out: int) -> str:
    from the_experiment.evaluation.statistics import Rate

    if not held_out:
        return (
            "Nothing is held out: a model that is right everywhere may have learnt every line by "
            "heart. Hold states out with -o, --omit-fraction or --omit-where."
        )
    best = Rate(held_out, held_out)
    states = "state, however many rows there are" if held_out == 1 else "states, not rows"
    return (
        f"n = {held_out} distinct held-out {states}: a model right on all of them "
        f"has a 95% interval (Wilson) of {best.low:.0%} to 100% on such states."
    )
