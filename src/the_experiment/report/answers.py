"""The answers of the rules and the models to one sequence, side by side."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.markup import escape
from rich.text import Text

from the_experiment.evaluation.answers import Answers, ModelAnswer
from the_experiment.evaluation.completions import Completion
from the_experiment.evaluation.statistics import short
from the_experiment.report.blocks import Blocks

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
