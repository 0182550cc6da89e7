"""Rules told in words, for people who don't read operators."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from the_experiment.worlds.tree import TRUTH_VALUED, Apply, Name, Tree

# What is said of several names, and of conditions that are more than names.
OF_NAMES = {
    "AND": "{names} are {all} true",
    "OR": "at least one of {names} is true",
    "XOR": "{odd} of {names} is true",
}
BETWEEN = {"AND": " and ", "OR": " or ", "XOR": "; "}


def sentence(name: str, tree: Tree, text: str) -> str:
    """What the rule or part `name` is; `text` is how it was written.

    >>> from the_experiment.worlds.language import parse
    >>> for text in ("NOT D", "B AND E", "q2 OR (D AND NOT E)", "(X + Y) % 10"):
    ...     print(sentence("new", parse(text), text))
    new is true when D is false
    new is true when B and E are both true
    new is true when q2 is true or (D is true and E is false)
    new is (X + Y) % 10
    """
    if isinstance(tree, Apply) and tree.operator in TRUTH_VALUED:
        return f"{name} is true when {_condition(tree)}"
    return f"{name} is {text}"


def _condition(tree: Tree) -> str:
    if isinstance(tree, Name):
        return f"{tree.name} is true"
    if not isinstance(tree, Apply) or tree.operator not in TRUTH_VALUED:
        return f"{tree} is not 0"
    if tree.operator not in ("NOT", *BETWEEN):
        return str(tree)[1:-1]  # a comparison, without its parentheses
    if tree.operator == "NOT":
        (operand,) = tree.operands
        if isinstance(operand, Name):
            return f"{operand.name} is false"
        return f"not {_within(operand)}"
    operands = list(_chained(tree, tree.operator))
    if all(isinstance(operand, Name) for operand in operands):
        return _of_names(tree.operator, [str(operand) for operand in operands])
    told = BETWEEN[tree.operator].join(map(_within, operands))
    return f"{_odd(operands)} of these holds: {told}" if tree.operator == "XOR" else told


def _within(tree: Tree) -> str:
    """A condition inside another one, in parentheses where it is more than a word."""
    told = _condition(tree)
    plain = isinstance(tree, Name) or (
        isinstance(tree, Apply) and tree.operator == "NOT" and isinstance(tree.operands[0], Name)
    )
    return told if plain else f"({told})"


def _chained(tree: Tree, operator: str) -> Iterator[Tree]:
    """The operands of `A AND B AND C`, however it is nested."""
    if isinstance(tree, Apply) and tree.operator == operator:
        for operand in tree.operands:
            yield from _chained(operand, operator)
    else:
        yield tree


def _of_names(operator: str, names: list[str]) -> str:
    return OF_NAMES[operator].format(
        names=f"{', '.join(names[:-1])} and {names[-1]}",
        all="both" if len(names) == 2 else "all",
        odd=_odd(names),
    )


def _odd(of: Sized) -> str:
    """How many of several a chain of XOR asks for."""
    return "exactly one" if len(of) == 2 else "an odd number"
