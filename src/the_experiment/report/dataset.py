"""What `generate` says at its end: what was held out, and what one can conclude from it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from the_experiment.base.words import counted
from the_experiment.data.folder import HELD_OUT, DatasetFolder
from the_experiment.data.split import HeldOutCases, HeldOutMeanings, Split

MOST_SHOWN = 12  # held-out sequences named one by one
MOST_PROGRAMS = 3  # … of several lines
MOST_PARTS = 10  # … and parts of a completion

NOTHING = (
    "Nothing is held out: a model that is right everywhere may have learnt every line by heart. "
    "Hold states out with -o, --omit-fraction or --omit-where."
)


def dataset_summary(folder: DatasetFolder) -> str:
    """A few lines for the terminal, counting distinct meanings, not states or rows."""
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
    if not manifest.held_out:
        return "\n".join([*lines, NOTHING])
    told = split.held_out_meanings
    lines += [*_twins(split, told), *(_parts(split.held_out_cases) if told.unseen else [])]
    return "\n".join([*lines, _conclusion(told, "meaning" if split.world.has_twins else "state")])


def _twins(split: Split, told: HeldOutMeanings) -> list[str]:
    """What is held out, or should not be, because it means the same as something else."""
    lines = []
    if told.twins_of_named and split.manifest.hold_out.by == "meaning":
        lines.append(f"{told.twins_of_named:,} of them mean the same as a sequence named by -o")
    if told.seen_twins:
        twins = counted(told.seen_twins, "held-out state")
        lines.append(f"seen in other words: {twins} mean the same as one in the training rows")
    return lines


def _parts(cases: Sequence[HeldOutCases]) -> list[str]:
    """Which parts of several meet new cases of their rules, and which don't."""
    if len(cases) == 1:  # its cases are the meanings
        return []
    seen = [f"{one.part} ({one.cases:,})" for one in cases if not one.unseen]
    new = [f"{one.part} ({one.unseen:,} of {one.cases:,})" for one in cases if one.unseen]
    told = {"Cases that were all seen in other states": seen, "New cases": new}
    return [f"{what}: {_some(parts)}." for what, parts in told.items() if parts]


def _some(parts: Sequence[str]) -> str:
    more = len(parts) - MOST_PARTS
    return escape(", ".join(parts[:MOST_PARTS])) + (f" and {more:,} more" if more > 0 else "")


def _conclusion(told: HeldOutMeanings, thing: str) -> str:
    from the_experiment.evaluation.statistics import Rate

    n = told.unseen
    if not n:
        return (
            "n = 0: every held-out state means the same as one in the training rows, so nothing is "
            "held out in what the rules read."
        )
    best = Rate(n, n)
    others = "not rows" if thing == "state" else "not states or rows"
    counting = f"{thing}, however many rows there are" if n == 1 else f"{thing}s, {others}"
    return (
        f"n = {n:,} distinct held-out {counting}: a model right on all of them "
        f"has a 95% interval (Wilson) of {best.low:.0%} to 100% on such {thing}s."
    )
