"""Models, baselines and rules side by side, on one sequence and on all states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from the_experiment.base.words import counted
from the_experiment.evaluation.answers import Answers, ModelAnswer
from the_experiment.evaluation.compare import Comparison
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.contestants import Contestant
from the_experiment.evaluation.scores import Score
from the_experiment.evaluation.statistics import short
from the_experiment.evaluation.verdicts import Group as SeedGroup
from the_experiment.report.terminal import Blocks

RIGHT, WRONG = "green", "red"


def answers_table(answers: Answers) -> Group:
    """A row for each part, a column for the rules and for each model: green is right, red wrong."""
    table = Blocks(["", "rules", *(Text(answer.model) for answer in answers.models)])

    def row(name: str, rules: str, cells: Iterable[str], style: str = "") -> None:
        table.add_row([name, *map(Text.from_markup, [rules, *cells])], style=style)

    for part, span in answers.world.spans(answers.right).items():
        rules = f"[bold]{span.value if span else '–'}[/]"
        row(part, rules, [_part_cell(answer.completion, part) for answer in answers.models])
    row("exact", "", [_exact(answer) for answer in answers.models])
    row("log p of right answer", "", [f"{one.completion.logprob:.2f}" for one in answers.models])
    row("", "", [escape(answer.shown) for answer in answers.models], style="dim")
    return Group(
        f"[bold]{escape(answers.prompt)}[/] by the rules of world {answers.world.name}: "
        f"[bold]{escape(repr(answers.right))}[/]",
        *(f"  {name} = {escape(text)}" for name, text in answers.world.rules.items()),
        "",
        table,
        *(
            f"[{WRONG}]{escape(answer.model)}[/] wrote {escape(repr(answer.completion.text))}"
            for answer in answers.models
            if not answer.completion.exact
        ),
    )


def _part_cell(completion: Completion, part: str) -> str:
    """`1  p .98`: what was written and its probability; where wrong, also what it should be."""
    grade, probability = completion.parts[part], completion.probabilities.get(part)
    if grade.written is None or probability is None:
        return f"[{WRONG}]missing, should be {grade.expected}[/]"
    told = f"{grade.written}  p {short(probability)}"
    if grade.correct:
        return f"[{RIGHT}]{told}[/]"
    return f"[{WRONG}]{told}, not {grade.expected}[/]"


def _exact(answer: ModelAnswer) -> str:
    return f"[{RIGHT}]yes[/]" if answer.completion.exact else f"[{WRONG}]no[/]"


HOW_TO_READ = (
    "Each cell: right/new cases [Wilson 95% interval]. 5–6/6: 5 however a baseline breaks ties, "
    "at most 6; (all in 83%): everything right in 83% of the ways to break them. Cases that were "
    "seen in another state stand apart, with no interval. A baseline learns each part by itself "
    "from the same seen states; aggregates, such as sums, beside the right values of the rules "
    "that they are computed from and that stand before them. With aggregates computed for "
    "everyone, an exact match would be 'all rules'."
)


class ComparisonRow(NamedTuple):
    """One contestant, or several seeds of one, with a cell for each measure."""

    name: str
    is_model: bool
    cells: list[str]


class Sheet(NamedTuple):
    """A table of a comparison."""

    heading: str
    measures: list[str]
    rows: list[ComparisonRow]


def sheets(comparison: Comparison) -> list[Sheet]:
    """Held-out cases, then seen states."""
    exam, states = comparison.exam, comparison.states

    def sheet(asked: int, kind: str, rows: list[ComparisonRow]) -> Sheet:
        of_all = states[kind.replace("-", "_")]
        heading = (f"{asked:,} of " if asked < of_all else "") + counted(of_all, f"{kind} state")
        return Sheet(heading, comparison.measures, rows)

    cases = ComparisonRow("cases", False, list(comparison.cases.values()))
    held_out = [cases, *_rows(comparison, _held_out_cell)] if len(exam.held_out) else []
    return [
        sheet(len(exam.held_out), "held-out", held_out),
        sheet(len(exam.seen), "seen", _rows(comparison, _seen_cell)),
    ]


def _rows(
    comparison: Comparison, cell: Callable[[Sequence[Contestant], str], str]
) -> list[ComparisonRow]:
    named = [(_called(group), group.runs) for group in comparison.groups]
    named += [(one.name, [one]) for one in comparison.baselines]
    return [
        ComparisonRow(
            name, runs[0].is_model, [cell(runs, measure) for measure in comparison.measures]
        )
        for name, runs in named
    ]


def _called(group: SeedGroup) -> str:
    return group.name + (f", {len(group.runs)} seeds" if len(group.runs) > 1 else "")


def _held_out_cell(runs: Sequence[Contestant], measure: str) -> str:
    if measure not in runs[0].held_out:
        return ""
    scores = [run.held_out[measure] for run in runs]
    return str(scores[0]) if len(scores) == 1 else over_seeds(scores)


def over_seeds(scores: Sequence[Score]) -> str:
    """`5/6 (4–6)`: the median over seeds, the cases, and the range if there is one."""
    told = []
    for counts, kind in (([s.new for s in scores], ""), ([s.seen_before for s in scores], " seen")):
        if counts[0].n:
            right = sorted(count.always for count in counts)
            low, high = right[0], right[-1]
            spread = f" ({low}–{high})" if low < high else ""
            told.append(f"{median(right):g}/{counts[0].n}{kind}{spread}")
    return ", ".join(told) or "–"


def _seen_cell(runs: Sequence[Contestant], measure: str) -> str:
    if measure not in runs[0].seen:
        return ""
    rates = sorted((run.seen[measure] for run in runs), key=lambda rate: rate.k)
    low, high = rates[0], rates[-1]
    return f"{low.k}/{low.n}" if low.k == high.k else f"{low.k}–{high.k}/{low.n}"


def comparison_view(comparison: Comparison) -> Group:
    """Both tables, the verdict on each model line by line, and what the split can't show."""
    lines: list[RenderableType] = [
        f"[bold]World {comparison.world}[/], held out: {escape(comparison.hold_out)}",
    ]
    for sheet in sheets(comparison):
        lines += ["", _table(sheet)]
    lines += ["", f"[dim]{escape(HOW_TO_READ)}[/]", ""]
    for name, verdicts in comparison.verdicts.items():
        for line, verdict in verdicts.items():
            lines.append(f"[bold]{escape(name)}[/], {line}: {escape(str(verdict))}")
    if comparison.limits:
        lines += ["", *(f"[yellow]{limit}[/]" for limit in comparison.limits)]
    return Group(*lines)


def _table(sheet: Sheet) -> Blocks:
    table = Blocks([sheet.heading, *sheet.measures])
    for row in sheet.rows:
        table.add_row(
            [*map(escape, [row.name, *row.cells])], style="bold" if row.is_model else "dim"
        )
    return table
