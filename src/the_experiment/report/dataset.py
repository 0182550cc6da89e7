"""What `generate` says at its end: what was held out, and what one can conclude from it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from the_experiment.base.words import counted
from the_experiment.data.folder import HELD_OUT, DatasetFolder
from the_experiment.data.split import HeldOutMeanings, Split

MOST_SHOWN = 12  # held-out sequences named one by one
MOST_PROGRAMS = 3  # … of several lines
MOST_PARTS = 10  # … and parts of a completion

NOTHING = (
    "Nothing is held out: a model that is right everywhere may have learnt every line by heart. "
    "Hold states out with -o, --hold-out-fraction or --hold-out-where."
)

NOTHING_NEW = (
    "n = 0: every held-out state means the same as one in the training rows, so nothing is held "
    "out in what the rules read."
)
NO_NEW_RULE = "n = 0 of the rules: every case of theirs, and their combination, was seen elsewhere."


def dataset_summary(folder: DatasetFolder) -> str:
    """A few lines for the terminal, counting new cases, not states or rows."""
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
    lines += _twins(split, told)
    if not told.unseen:
        return "\n".join([*lines, NOTHING_NEW])
    new = int(split.cases(split.world.rule_parts).new.sum())
    return "\n".join([*lines, *_parts(split), _conclusion(new) if new else NO_NEW_RULE])


def _twins(split: Split, told: HeldOutMeanings) -> list[str]:
    """What is held out, or should not be, because it means the same as something else."""
    lines = []
    if told.twins_of_named and split.manifest.hold_out.by == "meaning":
        mean = "means" if told.twins_of_named == 1 else "mean"
        lines.append(f"{told.twins_of_named:,} of them {mean} the same as a sequence named by -o")
    if told.seen_twins:
        twins = counted(told.seen_twins, "held-out state")
        mean = "means" if told.seen_twins == 1 else "mean"
        lines.append(f"seen in other words: {twins} {mean} the same as one in the training rows")
    return lines


def _parts(split: Split) -> list[str]:
    """Which parts of several meet new cases of their rules, and which don't."""
    if len(split.world.parts) == 1:  # its cases are the meanings
        return []
    seen: list[str] = []
    new: list[str] = []
    for part in split.world.parts:
        cases = split.cases([part])
        unseen = int(cases.new.sum())
        (new if unseen else seen).append(
            f"{part} ({unseen:,} of {len(cases):,})" if unseen else f"{part} ({len(cases):,})"
        )
    told = {"Cases that were all seen in other states": seen, "New cases": new}
    return [f"{what}: {_some(parts)}." for what, parts in told.items() if parts]


def _some(parts: Sequence[str]) -> str:
    more = len(parts) - MOST_PARTS
    return escape(", ".join(parts[:MOST_PARTS])) + (f" and {more:,} more" if more > 0 else "")


def _conclusion(new: int) -> str:
    from the_experiment.evaluation.statistics import Rate, percent

    low = percent(Rate(new, new).low)
    counting = "however many states and rows there are" if new == 1 else "not states or rows"
    of_them = "it" if new == 1 else "all of them"
    return (
        f"n = {counted(new, 'new case')} of the rules, {counting}: a model right in {of_them} has "
        f"a 95% interval (Wilson) of {low} to 100% on such cases."
    )
