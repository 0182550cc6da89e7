"""What `generate`, `train`, `traces generate` and `traces prepare` say at their end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from the_experiment.base.files import read_json
from the_experiment.base.words import counted
from the_experiment.data.folder import HELD_OUT, DatasetFolder, DatasetManifest
from the_experiment.data.split import HeldOutMeanings, Split
from the_experiment.data.trace_folder import MANIFEST
from the_experiment.training.record import TrainResult
from the_experiment.worlds.world import MOST_STATES

FITTED = {
    None: "",  # nobody asked
    True: ", every seen state exact",
    False: ", [red]did not fit: some seen state is not exact; allow it more --epochs[/]",
}


def training_summary(result: TrainResult) -> str:
    """One line on a finished training."""
    return (
        f"[bold]{escape(result.run.name)}[/]: {counted(result.steps, 'step')} "
        f"in {result.seconds:.0f} s, "
        f"loss {result.loss:.4f}{FITTED[result.fitted]}; saved in {escape(str(result.run.final))}/"
    )


MOST_SHOWN = 12  # held-out sequences named one by one
MOST_PROGRAMS = 3  # … of several lines
MOST_PARTS = 10  # … and parts of a completion

NOTHING = (
    "Nothing is held out: a model that is right everywhere may have memorized every line. "
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
        f"training rows, {_held_out(manifest)} ({escape(str(manifest.hold_out))})",
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


def _held_out(manifest: DatasetManifest) -> str:
    drawn = " of those held out drawn" if manifest.states > MOST_STATES else " held out"
    return f"{len(manifest.held_out):,}{drawn}"


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


TWINS = "left out, as only one of graph and what causes the variable asked about is held out"


def puzzles_summary(folder: Path) -> str:
    """How many puzzles there are, by kind, size and naming."""
    manifest = read_json(folder / MANIFEST)
    lines = [
        f"[bold]{escape(str(folder))}/[/]: {counted(manifest['count'], 'puzzle')} "
        f"with {counted(manifest['graphs'], 'different graph')}"
    ]
    told = {**manifest["counts"], "yes or no": manifest["yes_or_no"]}
    return "\n".join([*lines, *_counts(told)])


def rows_summary(folder: Path) -> str:
    """How many rows and graphs there are on each side."""
    manifest = read_json(folder / MANIFEST)
    rows, graphs = manifest["rows"], manifest["graphs"]
    sides = ", ".join(
        f"{side} {count:,} ({counted(graphs[side], 'graph')})" for side, count in rows.items()
    )
    wrong, twins = manifest["wrong"], manifest["twins"]
    return "\n".join(
        [
            f"[bold]{escape(str(folder))}/[/]: {sides}; no graph is on two sides",
            *([f"{counted(wrong, 'row')} with a wrong answer left out"] if wrong else []),
            *([f"{counted(twins, 'row')} {TWINS}"] if twins else []),
            f"arms: {', '.join(manifest['arms'])}; "
            f"longest {manifest['longest']:,} {manifest['unit']}; tags: "
            + escape(f"{manifest['token']}think" if manifest["token"] else "<think>"),
        ]
    )


def _counts(counts: dict[str, dict[str, int]]) -> list[str]:
    return [
        f"{name}: {', '.join(f'{one} {count:,}' for one, count in found.items())}"
        for name, found in counts.items()
    ]
