"""Templates: how values become a text, and how a text is read back part by part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from the_experiment.base.seeds import Integers
from the_experiment.worlds.language import RuleError, parse
from the_experiment.worlds.tree import Apply, Bounds, Name, Tree, bounds, evaluate

# What a field without a name of its own is called, by its outermost operator.
CALLED = {
    "+": "sum",
    "-": "difference",
    "*": "product",
    "//": "quotient",
    "%": "remainder",
    "if": "choice",
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), "comparison"),
}


@dataclass(frozen=True)
class Field:
    """One `{expression}` of a template, under the name of the part it writes."""

    name: str
    tree: Tree
    text: str
    column: int


@dataclass(frozen=True)
class Span:
    """Where a part stands in a text (characters, end not included), and its value there."""

    start: int
    end: int
    value: int


class Template:
    """A text with `{expression}` fields; `{{` and `}}` stand for braces.

    >>> template = Template("{A},{B}: {A + B}")
    >>> [field.name for field in template.fields]
    ['A', 'B', 'sum']
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.literals, expressions = _split(text)
        self.fields = _named(expressions)

    def render(self, values: Mapping[str, Integers], rows: int) -> list[str]:
        """The text of each of `rows` states, given one array of values for each name."""
        columns = [evaluate(field.tree, values, rows) for field in self.fields]
        if not columns or not rows:
            return [self.literals[0]] * rows
        digits = all(column.min() >= 0 and column.max() <= 9 for column in columns)
        if digits and not self.literals[-1].endswith("\0"):  # which numpy would strip
            return self._with_digits(columns)
        pattern = "{}".join(
            literal.replace("{", "{{").replace("}", "}}") for literal in self.literals
        )
        return list(map(pattern.format, *(column.tolist() for column in columns)))

    def _with_digits(self, columns: Sequence[Integers]) -> list[str]:
        """As `render` where every value is one digit, in a tenth of the time."""
        text = "0".join(self.literals)
        codes = np.array([text]).view(np.uint32)  # (characters,)
        texts = np.tile(codes, (len(columns[0]), 1))
        ends = np.cumsum([len(literal) + 1 for literal in self.literals[:-1]])
        for end, column in zip(ends, columns, strict=True):
            texts[:, end - 1] += column.astype(np.uint32)
        written: list[str] = texts.view(f"U{len(text)}").ravel().tolist()
        return written

    def patterns(self, known: Mapping[str, Bounds]) -> list[re.Pattern[str]]:
        """What the digits of each field match: `known` bounds the names in the fields."""
        return [_field_pattern(bounds(field.tree, known)) for field in self.fields]

    def read(self, text: str, patterns: Sequence[re.Pattern[str]]) -> dict[str, Span | None]:
        """Where each part stands in `text`; None for a part that isn't there.

        Reading stops at the first literal that differs: what follows can't be told apart, so it is
        missing. So is a number that goes on after its field.

        >>> template = Template("{A};")
        >>> bit = template.patterns({"A": (0, 1)})
        >>> template.read("1;", bit)["A"].value, template.read("17", bit)["A"]
        (1, None)
        """
        spans: dict[str, Span | None] = dict.fromkeys(field.name for field in self.fields)
        position = len(self.literals[0])
        if not text.startswith(self.literals[0]):
            return spans
        for field, pattern, literal in zip(self.fields, patterns, self.literals[1:], strict=True):
            digits = pattern.match(text, position)
            if digits and not _goes_on(text, digits.end(), literal, last=field is self.fields[-1]):
                spans[field.name] = Span(position, digits.end(), int(digits[0]))
                position = digits.end()
            if not text.startswith(literal, position):
                break
            position += len(literal)
        return spans

    def unambiguous(self, known: Mapping[str, Bounds]) -> bool:
        """Whether the text of the template always tells where each field ends."""
        return self.running_on(known) is None

    def running_on(self, known: Mapping[str, Bounds]) -> Field | None:
        """The first field of varying width that a digit or another field follows at once."""
        last = len(self.fields)
        for number, (field, literal) in enumerate(
            zip(self.fields, self.literals[1:], strict=True), start=1
        ):
            ends = number == last if not literal else literal[0] not in "0123456789"
            if not ends and _fixed_width(bounds(field.tree, known)) is None:
                return field
        return None


def _goes_on(text: str, end: int, literal: str, *, last: bool) -> bool:
    """Whether another digit follows a field, where neither a literal nor another field has it."""
    follows = text[end : end + 1].isdigit()
    return follows and (literal[:1] not in "0123456789" if literal else last)


def _field_pattern(reach: Bounds) -> re.Pattern[str]:
    """A pattern for the digits of a field with values in `reach`."""
    width = _fixed_width(reach)
    if width is not None:
        return re.compile(rf"[0-9]{{{width}}}")
    sign = "-?" if reach[0] < 0 else ""
    return re.compile(rf"{sign}[0-9]{{1,19}}")


def _fixed_width(reach: Bounds) -> int | None:
    low, high = reach
    return len(str(low)) if low >= 0 and len(str(low)) == len(str(high)) else None


def _split(text: str) -> tuple[list[str], list[tuple[Tree, str, int]]]:
    """The literals around the fields (one more than fields); each field's tree, text and column."""
    literals, expressions, position = [""], [], 0
    for found in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}|[{}]", text):
        literals[-1] += text[position : found.start()]
        position = found.end()
        if found[0] in ("{{", "}}"):
            literals[-1] += found[0][0]
        elif found[1] is None:
            raise RuleError(f"a lone {found[0]!r}; write it twice", text, found.start() + 1)
        else:
            tree = _parsed_field(found[1], text, found.start(1))
            expressions.append((tree, found[1], found.start() + 1))
            literals.append("")
    literals[-1] += text[position:]
    return literals, expressions


def _parsed_field(expression: str, text: str, start: int) -> Tree:
    try:
        return parse(expression)
    except RuleError as error:
        raise RuleError(error.what, text, start + error.column) from None


def _named(expressions: list[tuple[Tree, str, int]]) -> list[Field]:
    taken: set[str] = set()
    plain_names = {tree.name for tree, *_ in expressions if isinstance(tree, Name)}
    fields = []
    for tree, text, column in expressions:
        plain = _called(tree)
        name, count = plain, 1
        while name in taken or (name in plain_names and tree != Name(name)):
            count += 1
            name = f"{plain}{count}"
        taken.add(name)
        fields.append(Field(name, tree, text, column))
    return fields


def _called(tree: Tree) -> str:
    if isinstance(tree, Name):
        return tree.name
    if isinstance(tree, Apply):
        return CALLED.get(tree.operator, tree.operator.lower())
    return "number"
