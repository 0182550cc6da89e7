"""Word problems: small stories with numbers, some of which don't count."""

from __future__ import annotations

from the_experiment.worlds.generators import QUESTIONS, Generated, Random, below, one_of, shuffled
from the_experiment.worlds.questions.question import check_length, generated, result
from the_experiment.worlds.questions.words import HOLDERS, NAMES, THINGS

KIND = "word-problems"
MOST_STEPS = 4
LARGEST = 20  # number that a story begins with
CHANGES = {
    "+": ("buys {} {}", "finds {} {}", "wins {} {}"),
    "-": ("loses {} {}", "sells {} {}", "gives {} {} away"),
}


@QUESTIONS.register("make_word_problem")
def make_word_problem(seq_len: int, rng: Random) -> Generated:
    """A story of `seq_len` operations, half of the stories with a number that doesn't count.

    Things are bought and lost, packed, shared, or counted by how many more somebody has than
    somebody else. Stories mean the same that have the same operations on the same numbers, and the
    same number that doesn't count, if any. Raises `UsageError` for fewer than 1 or more than 4
    steps.

    >>> import numpy as np
    >>> make_word_problem(1, np.random.RandomState(2))[:2]
    ('Ann has 3 shelves with 8 pens each. How many pens does Ann have?', 24)
    """
    check_length(seq_len, 1, MOST_STEPS, "steps")
    stories = [_changes, _packed, _more_and_fewer, *[_shared] * (seq_len == 1)]
    return one_of(rng, stories)(seq_len, rng)


def _changes(steps: int, rng: Random) -> Generated:
    who, other = shuffled(rng, NAMES)[:2]
    things, others = shuffled(rng, THINGS)[:2]
    operands, operations = _sums([_number(rng)], [], steps, rng)
    told = [f"{who} has {operands[0]} {things}."]
    told += _changed(who, things, operations, operands[1:], rng)
    asides = (f"{other} has {{}} {things}.", f"{who} has {{}} {others}.")
    asked = f"How many {things} does {who} have?"
    return _story("changes", told, asked, operands, operations, asides, rng)


def _packed(steps: int, rng: Random) -> Generated:
    who, (things, others) = one_of(rng, NAMES), shuffled(rng, THINGS)[:2]
    holders, more = shuffled(rng, HOLDERS)[:2]
    first = [2 + below(rng, 8), 2 + below(rng, 8)]
    operands, operations = _sums(first, ["*"], steps - 1, rng)
    told = [f"{who} has {first[0]} {holders} with {first[1]} {things} each."]
    told += _changed(who, things, operations[1:], operands[2:], rng)
    asides = (f"{who} has {{}} {others}.", f"{who} has {{}} empty {more}.")
    asked = f"How many {things} does {who} have?"
    return _story("packed", told, asked, operands, operations, asides, rng)


def _more_and_fewer(steps: int, rng: Random) -> Generated:
    people, things = shuffled(rng, NAMES)[: steps + 2], one_of(rng, THINGS)
    operands, operations = _sums([_number(rng)], [], steps, rng)
    told = [f"{people[0]} has {operands[0]} {things}."]
    for place, (operation, operand) in enumerate(zip(operations, operands[1:], strict=True)):
        how = "more" if operation == "+" else "fewer"
        told.append(f"{people[place + 1]} has {operand} {how} {things} than {people[place]}.")
    asides = (f"{people[-1]} has {{}} {things}.",)
    asked = f"How many {things} does {people[-2]} have?"
    return _story("more and fewer", told, asked, operands, operations, asides, rng)


def _shared(_: int, rng: Random) -> Generated:
    who, (things, others) = one_of(rng, NAMES), shuffled(rng, THINGS)[:2]
    by, each = 2 + below(rng, 8), 1 + below(rng, 9)
    told = [f"{who} shares {by * each} {things} evenly between {by} friends."]
    asides = (f"{who} has {{}} {others}.",)
    asked = f"How many {things} does each friend get?"
    return _story("shared", told, asked, [by * each, by], ["/"], asides, rng)


def _number(rng: Random) -> int:
    return 2 + below(rng, LARGEST - 1)


def _sums(
    operands: list[int], operations: list[str], steps: int, rng: Random
) -> tuple[list[int], list[str]]:
    """What there is with so many steps more, up or down; nobody ever has less than nothing."""
    value = operands[0] * operands[1] if operations else operands[0]
    for _ in range(steps):
        operand = 2 + below(rng, 8)
        operation = one_of(rng, "+-") if operand <= value else "+"
        value += operand if operation == "+" else -operand
        operands, operations = [*operands, operand], [*operations, operation]
    return operands, operations


def _changed(
    who: str, things: str, operations: list[str], operands: list[int], rng: Random
) -> list[str]:
    """A sentence for each step up or down."""
    return [
        f"{who} {one_of(rng, CHANGES[operation]).format(operand, things)}."
        for operation, operand in zip(operations, operands, strict=True)
    ]


def _story(
    template: str,
    told: list[str],
    asked: str,
    operands: list[int],
    operations: list[str],
    asides: tuple[str, ...],
    rng: Random,
) -> Generated:
    """The story as it is, or with one of these sentences after any of its own.

    Its number is another than the answer and all that lead to it.
    """
    counting = {*operands, result(tuple(operands), tuple(operations))}
    others = [number for number in range(2, LARGEST + 1) if number not in counting]
    distractors = [one_of(rng, others)] if rng.random() < 0.5 else []
    for number in distractors:
        told.insert(1 + below(rng, len(told)), one_of(rng, asides).format(number))
    text = " ".join([*told, asked])
    return generated(KIND, template, text, operands, operations, distractors)
