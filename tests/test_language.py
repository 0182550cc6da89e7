"""The rule language against Python's own evaluation, state by state."""

from __future__ import annotations

import itertools
from types import CodeType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from the_experiment.worlds.language import DEEPEST_RULE, LONGEST_RULE, RuleError, parse
from the_experiment.worlds.tree import (
    LARGEST,
    Apply,
    DivisionByZeroError,
    Name,
    Number,
    Tree,
    bounds,
    evaluate,
)

REACH = {"A": (0, 1), "B": (0, 1), "X": (-3, 4), "Y": (0, 3), "order": (-1, 2)}
STATES = np.array(list(itertools.product(*(range(low, high + 1) for low, high in REACH.values()))))
VALUES = dict(zip(REACH, STATES.T, strict=True))

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
BINARY = ("AND", "OR", "XOR", *COMPARISONS, "+", "-", "*", "//", "%")
PREFIXES = ("NOT", "-", "+")


def applied(operands: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def calls(operators: tuple[str, ...], fewest: int, most: int) -> st.SearchStrategy[Tree]:
        some = st.lists(operands, min_size=fewest, max_size=most).map(tuple)
        return st.builds(Apply, st.sampled_from(operators), some)

    return st.one_of(
        calls(PREFIXES, 1, 1),
        calls(BINARY, 2, 2),
        calls(("if",), 3, 3),
        calls(("min", "max"), 2, 3),
        calls(("abs",), 1, 1),
    )


LEAVES = st.one_of(st.sampled_from(list(REACH)).map(Name), st.integers(0, 12).map(Number))
TREES = st.recursive(LEAVES, applied, max_leaves=12)

# How tightly each operator binds, and how tightly its operands have to.
LOOSEST, TIGHTEST = 2, 10
BINDING: dict[tuple[str, int], tuple[int, tuple[int, ...]]] = {
    **{(operator, 1): (9, (9,)) for operator in PREFIXES},
    **{(operator, 2): (8, (8, 9)) for operator in ("*", "//", "%")},
    **{(operator, 2): (7, (7, 8)) for operator in ("+", "-")},
    **{(operator, 2): (6, (7, 7)) for operator in COMPARISONS},
    ("AND", 2): (5, (5, 6)),
    ("XOR", 2): (4, (4, 5)),
    ("OR", 2): (3, (3, 4)),
    ("if", 3): (2, (3, 3, 2)),
}


@st.composite
def written(draw: st.DrawFn, tree: Tree, within: int = LOOSEST) -> str:
    """The tree in our language: words in any case, and only the parentheses that it needs."""
    if not isinstance(tree, Apply):
        return str(tree)

    def space(*, needed: bool) -> str:
        return draw(st.sampled_from((" ", "  ", "\t", "\n") if needed else ("", " ")))

    def word(text: str) -> str:
        return "".join(draw(st.sampled_from((c.lower(), c.upper()))) for c in text)

    if (tree.operator, len(tree.operands)) not in BINDING:
        inner = f"{space(needed=False)},".join(draw(written(o)) for o in tree.operands)
        return f"{word(tree.operator)}{space(needed=False)}({inner})"
    binding, wanted = BINDING[tree.operator, len(tree.operands)]
    parts = [draw(written(o, w)) for o, w in zip(tree.operands, wanted, strict=True)]
    symbol = draw(st.sampled_from(("XOR", "^"))) if tree.operator == "XOR" else tree.operator
    needed = symbol.isalpha()
    around = [space(needed=needed) for _ in range(4)]
    if tree.operator == "if":
        value, condition, other = parts
        text = (
            f"{value}{around[0]}{word('if')}{around[1]}{condition}"
            f"{around[2]}{word('else')}{around[3]}{other}"
        )
    elif len(parts) == 1:
        text = f"{word(symbol)}{around[0]}{parts[0]}"
    else:
        text = f"{parts[0]}{around[0]}{word(symbol)}{around[1]}{parts[1]}"
    return f"({text})" if binding < within else text


def as_python(tree: Tree) -> str:
    """The tree as Python source with every parenthesis."""
    if not isinstance(tree, Apply):
        return f"({tree})"
    parts = [as_python(operand) for operand in tree.operands]
    if tree.operator == "if":
        return f"({parts[0]} if {parts[1]} else {parts[2]})"
    if tree.operator in ("min", "max", "abs"):
        return f"{tree.operator}({', '.join(parts)})"
    if tree.operator == "XOR":
        return f"int(bool({parts[0]}) != bool({parts[1]}))"
    if len(parts) == 1:
        return f"int(not {parts[0]})" if tree.operator == "NOT" else f"({tree.operator}{parts[0]})"
    if tree.operator in ("AND", "OR"):
        return f"int(bool({parts[0]} {tree.operator.lower()} {parts[1]}))"
    return f"int({parts[0]} {tree.operator} {parts[1]})"


def by_python(code: CodeType, state: np.ndarray) -> int | None:
    """What Python says in one state; None for a division by zero."""
    names = dict(zip(REACH, state.tolist(), strict=True))
    try:
        return int(eval(code, names))  # noqa: S307 - Python itself is what we are compared with
    except ZeroDivisionError:
        return None


@given(st.data())
def test_parse_reads_what_is_written_with_the_fewest_parentheses(data: st.DataObject) -> None:
    tree = data.draw(TREES)
    assert parse(data.draw(written(tree))) == tree


@given(TREES)
def test_parse_reads_what_str_writes(tree: Tree) -> None:
    assert parse(str(tree)) == tree


@given(st.data())
def test_values_are_pythons_and_within_bounds(data: st.DataObject) -> None:
    tree = parse(data.draw(TREES.flatmap(written)))
    code = compile(as_python(tree), "<rule>", "eval")
    expected = [by_python(code, state) for state in STATES]
    try:
        low, high = bounds(tree, REACH)
    except OverflowError:
        return  # refused before it is ever evaluated
    if None in expected:
        with pytest.raises(DivisionByZeroError) as caught:
            evaluate(tree, VALUES, len(STATES))
        assert expected[caught.value.row] is None
    else:
        assert evaluate(tree, VALUES, len(STATES)).tolist() == expected
    told = [value for value in expected if value is not None]
    assert all(low <= value <= high for value in told)


def one(text: str, **values: int) -> int:
    """The value of a rule in one state."""
    return int(evaluate(parse(text), {n: np.array([v]) for n, v in values.items()}, 1)[0])


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("NOT A AND B", "(NOT A) AND B"),
        ("NOT A == B", "(NOT A) == B"),
        ("NOT A + B", "(NOT A) + B"),
        ("NOT NOT A", "NOT (NOT A)"),
        ("NOT - A", "NOT (-A)"),
        ("-A * B", "(-A) * B"),
        ("A * -B", "A * (-B)"),
        ("A - B - C", "(A - B) - C"),
        ("A // B * C % D", "((A // B) * C) % D"),
        ("A + B * C", "A + (B * C)"),
        ("A + 1 == B AND C", "((A + 1) == B) AND C"),
        ("A OR B XOR C AND D", "A OR (B XOR (C AND D))"),
        ("A AND B XOR C OR D", "((A AND B) XOR C) OR D"),
        ("A if B OR C else D OR E", "A if (B OR C) else (D OR E)"),
        ("A if B else C if D else E", "A if B else (C if D else E)"),
        ("A ^ B", "A XOR B"),
        ("A ^ B AND C", "A XOR (B AND C)"),
        ("a_1 and not_b or xorC", "(a_1 AND not_b) OR xorC"),
        ("Min(A, MAX(B, aBs(C)))", "min(A, max(B, abs(C)))"),
        ("( ( A ) )", "A"),
    ],
)
def test_binding(text: str, means: str) -> None:
    assert parse(text) == parse(means)


@pytest.mark.parametrize("xor", ["XOR", "xor", "Xor", "^"])
def test_xor_is_of_truth_not_of_bits(xor: str) -> None:
    assert [one(f"X {xor} Y", X=x, Y=y) for x, y in ((2, 4), (2, 0), (0, 3), (0, 0))] == [
        0,
        1,
        1,
        0,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "6 // Y if Y else 0",
        "0 if Y == 0 else 6 % Y",
        "Y AND 6 // Y",
        "NOT Y OR 6 // Y > 2",
        "Y > 0 AND (X OR 6 % Y)",
        "(1 if 6 // Y else 2) if Y else 3",
        "Y AND min(1, 6 // Y) if X else Y != 0 AND 6 // Y",
    ],
)
def test_a_division_that_is_not_asked_for_never_fails(text: str) -> None:
    code = compile(as_python(parse(text)), "<rule>", "eval")
    expected = [by_python(code, state) for state in STATES]
    assert evaluate(parse(text), VALUES, len(STATES)).tolist() == expected


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("6 // Y", 3),
        ("6 // Y AND Y", 3),
        ("Y XOR 6 % Y", 9),
        ("min(Y, 6 // Y)", 10),
        ("Y == 0 AND 6 // Y", 14),
        ("6 // (Y if Y else Y)", 3),
        ("NOT Y OR Y // (Y - Y)", 12),
    ],
)
def test_division_by_zero_tells_where(text: str, column: int) -> None:
    y = np.array([1, 2, 0, 3]) if "Y - Y" not in text else np.array([0, 0, 1, 0])
    with pytest.raises(DivisionByZeroError) as caught:
        evaluate(parse(text), {"Y": y}, len(y))
    assert (caught.value.row, caught.value.column) == (2, column)


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("", 1, "empty"),
        (" \n", 3, "empty"),
        ("A AND", 6, "ends too early"),
        ("(A", 3, "ends too early"),
        ("min", 4, "ends too early"),
        ("A if B", 7, "ends too early"),
        ("A B", 3, "'B' is unexpected here"),
        ("A AND AND B", 7, "'AND' is unexpected here"),
        ("A + or", 5, "'or' is unexpected here"),
        ("X if else else Y", 6, "'else' is unexpected here"),
        ("if", 1, "'if' is unexpected here"),
        ("A + min", 8, "ends too early"),
        ("A)", 2, "')' is unexpected here"),
        ("A < B < C", 7, "'<' is unexpected here"),
        ("A, B", 2, "',' is unexpected here"),
        ("A(B)", 2, "'(' is unexpected here"),
        ("2x", 2, "'x' is unexpected here"),
        ("A\nAND\n) B", 7, "')' is unexpected here"),
        ("A = B", 3, "'=' is not part"),
        ("A & B", 3, "'&' is not part"),
        ("A / B", 3, "'/' is not part"),
        ("A.b", 2, "'.' is not part"),
        ("é", 1, "'é' is not part"),
        ("A and 'B'", 7, '"\'" is not part'),
        ("1 + min(A)", 5, "min takes at least 2 values"),
        ("abs(A, B)", 1, "abs takes one value"),
        ("A * 99999999999999999999", 5, "too large"),
        (f"1 + {LARGEST + 1}", 5, "too large"),
    ],
)
def test_errors_tell_the_column(text: str, column: int, what: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text)
    assert caught.value.column == column
    assert what in caught.value.what


def test_the_largest_number_is_read() -> None:
    assert parse(str(LARGEST)) == Number(LARGEST)


@pytest.mark.parametrize(
    "text",
    [
        "A" * (LONGEST_RULE + 1),
        "NOT " * (DEEPEST_RULE + 1) + "A",
        "A" + " + A" * (DEEPEST_RULE + 1),
        "abs(" * (DEEPEST_RULE + 1) + "A" + ")" * (DEEPEST_RULE + 1),
    ],
)
def test_rules_beyond_reading_are_refused(text: str) -> None:
    with pytest.raises(RuleError, match=r"at most|more than"):
        parse(text)


def test_parentheses_alone_nest_as_deep_as_they_fit() -> None:
    half = (LONGEST_RULE - 1) // 2
    assert parse("(" * half + "A" + ")" * half) == Name("A")


@pytest.mark.parametrize("text", [f"{LARGEST} + 1", f"-({LARGEST} * 2)", "X * X * X * X"])
def test_values_that_may_not_fit_are_refused(text: str) -> None:
    with pytest.raises(OverflowError):
        bounds(parse(text), {"X": (0, 10**6)})
