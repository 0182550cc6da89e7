"""The tiny interpreter against CPython, on programs drawn from the whole language."""

from __future__ import annotations

import ast
from random import Random
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from in_cpython import in_cpython
from the_experiment.base.errors import UsageError
from the_experiment.worlds.programs.interpreter import STEPS, answer_of, queried, variables_of
from the_experiment.worlds.programs.syntax import ERRORS

ARITHMETIC = ("+", "-", "*", "//", "%")
ORDER = ("==", "!=", "<", "<=", ">", ">=")
NAMES = ("a", "b", "c")
SIMPLE = ("assign",) * 5 + ("augment",) * 5 + ("raise", "pass")
COMPOUND = ("if", "for", "while", "try", "try")
LEAVE = ("break", "continue")


class Drawn:
    """Programs of all constructs, within each other; most of what is drawn also runs."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def program(self) -> str:
        known = NAMES if self.rng.random() < 0.8 else NAMES[:2]  # else reading c can fail
        given = [f"{name} = {self.rng.randint(-2, 9)}" for name in known]
        return "\n".join([*given, self.block(0, in_loop=False), self.block(0, in_loop=False)])

    def block(self, depth: int, in_loop: bool) -> str:
        return "\n".join(self.statement(depth, in_loop) for _ in range(self.rng.randint(1, 3)))

    def statement(self, depth: int, in_loop: bool) -> str:
        kinds = SIMPLE + 3 * COMPOUND * (depth < 3) + 2 * LEAVE * in_loop
        kind = self.rng.choice(kinds)
        if kind in COMPOUND:
            return str(getattr(self, f"{kind}_")(depth, in_loop))
        if kind == "assign":
            return f"{self.rng.choice(NAMES)} = {self.expression()}"
        if kind == "augment":
            operation = self.rng.choice((*ARITHMETIC, *"+-+-"))
            return f"{self.rng.choice(NAMES)} {operation}= {self.expression()}"
        return f"raise {self.rng.choice(ERRORS)}" if kind == "raise" else kind

    def below(self, depth: int, in_loop: bool) -> str:
        return indent(self.block(depth + 1, in_loop), "  ")

    def if_(self, depth: int, in_loop: bool) -> str:
        text = f"if {self.expression()}:\n{self.below(depth, in_loop)}"
        if self.rng.random() < 0.3:
            text += f"\nelif {self.expression()}:\n{self.below(depth, in_loop)}"
        return text + f"\nelse:\n{self.below(depth, in_loop)}" * self.rng.randint(0, 1)

    def for_(self, depth: int, _: bool) -> str:
        last = str(self.rng.randint(-1, 4))
        ends = [last, f"({self.expression()}) % 5", f"True, {last}", f"b % 3, {last}, {last}"]
        head = f"for {self.rng.choice(NAMES)} in range({self.rng.choice(ends)})"
        return f"{head}:\n{self.below(depth, True)}"

    def while_(self, depth: int, _: bool) -> str:
        """It ends: nothing else changes its own counter."""
        test = f"w{depth} > 0 and {self.expression()}"
        return f"w{depth} = 2\nwhile {test}:\n  w{depth} -= 1\n{self.below(depth, True)}"

    def try_(self, depth: int, in_loop: bool) -> str:
        """With at least one `except` or a `finally`; an `except` of anything comes last."""
        caught = self.rng.sample((*ERRORS, ""), self.rng.randint(0, 2))
        heads = ["try"] + [f"except {name}".strip() for name in sorted(caught, reverse=True)]
        if caught and self.rng.random() < 0.5:
            heads.append("else")
        if not caught or self.rng.random() < 0.5:
            heads.append("finally")
        return "\n".join(f"{head}:\n{self.below(depth, in_loop)}" for head in heads)

    def expression(self, depth: int = 0) -> str:
        if depth == 2 or self.rng.random() < 0.4:
            leaves = [*NAMES, *"ab", "True", "False", str(self.rng.randint(-3, 12))]
            return str(self.rng.choice(leaves))
        one, two, three = (self.expression(depth + 1) for _ in range(3))
        operation = self.rng.choice((*ARITHMETIC, *"+-+-", *ORDER, "and", "or"))
        ways = (
            *(f"({one} {operation} {two})",) * 4,
            f"({one} < {two} != {three})",
            f"(-{one})",
            f"(not {one})",
            f"({one} if {two} else {three})",
        )
        return self.rng.choice(ways)


def reached(program: str, lines: list[int]) -> set[str]:
    """The constructs on the lines that ran, each with those it stands in."""

    def walk(nodes: list[ast.stmt], within: str) -> None:
        for node in nodes:
            here = f"{within}{type(node).__name__}"
            if node.lineno in lines:
                found.add(here)
            for part in ("body", "orelse", "finalbody"):
                walk(getattr(node, part, []), f"{here}.{part} ")
            for handler in getattr(node, "handlers", []):
                walk(handler.body, f"{here}.except ")

    found: set[str] = set()
    walk(ast.parse(program).body, "")
    return found


NESTED = (
    "For.body",
    "While.body",
    "If.orelse",
    "Try.body",
    "Try.except",
    "Try.orelse",
    "Try.finalbody",
    "Try.finalbody Try.body",
    "Try.body Try.finalbody",
    "Try.except Try.except",
    "For.body Break",
    "While.body Continue",
    "For.body Try.finalbody Break",
    "Try.body Break",
    "Try.finalbody Continue",
    "Try.body Raise",
    "Try.except Raise",
)


def interpreted(program: str) -> tuple[dict[str, Any], str]:
    """The same from our interpreter: its variables, or the error that it ends with."""
    try:
        return variables_of(program), ""
    except UsageError as error:
        return {}, error.what.rpartition(" ")[2]


def typed(variables: dict[str, Any]) -> list[tuple[str, type, Any]]:
    return [(name, type(value), value) for name, value in variables.items()]


def test_programs_run_as_in_cpython() -> None:
    """Values and their types (True is not 1), the error at the end; and all constructs are met."""
    met: set[str] = set()
    for seed in range(400):
        program = Drawn(Random(seed)).program()
        kept = f"try:\n{indent(program, ' ')}\nexcept Exception:\n pass"
        ours, refused = interpreted(kept)
        if refused:  # a number grew too large
            continue
        assert typed(ours) == typed(in_cpython(kept)[0]), program
        lines: list[int] = []
        _, raised = in_cpython(program, lines)
        assert interpreted(program)[1] == raised, program
        met.update(reached(program, lines))
    missing = [one for one in NESTED if not any(one in place for place in met)]
    assert not missing, f"no drawn program runs {missing}"


@pytest.mark.parametrize(
    ("program", "line", "construct"),
    [
        ("x = 1\nprint(x)", 2, "print(x)"),
        ("x = 1.5", 1, "1.5"),
        ("x = 'a'", 1, "'a'"),
        ("x = None", 1, "None"),
        ("x = 2 ** 3", 1, "2 ** 3"),
        ("x **= 3", 1, "x **= 3"),
        ("x = 7 / 2", 1, "7 / 2"),
        ("x = ~3", 1, "~3"),
        ("a = 1\na, b = b, a", 2, "a, b = "),
        ("a = b = 1", 1, "a = b = 1"),
        ("x = 3 is 3", 1, "3 is 3"),
        ("for x in [1, 2]:\n  pass", 1, "for x in [1, 2]:"),
        ("for x in range(1):\n  pass\nelse:\n  pass", 1, "for x in range(1):"),
        ("for x in range(1, 2, 3, 4):\n  pass", 1, "for x in range(1, 2, 3, 4):"),
        ("x = range(3)", 1, "range(3)"),
        ("if False:\n  import os", 2, "import os"),
        ("try:\n  pass\nexcept OSError:\n  pass", 3, "except OSError:"),
        ("try:\n  pass\nexcept ValueError as e:\n  pass", 3, "except ValueError as e:"),
        ("raise ValueError('no')", 1, "raise ValueError('no')"),
        ("try:\n  pass\nexcept:\n  raise", 4, "raise"),
        ("range = 3", 1, "range"),
        ("x = len", 1, "len"),
        ("def f():\n  pass", 1, "def f():"),
        ("x = [i for i in range(3)]", 1, "[i for i in range(3)]"),
    ],
)
def test_what_the_language_lacks_is_named_with_its_line(
    program: str, line: int, construct: str
) -> None:
    with pytest.raises(UsageError) as error:
        variables_of(program)
    assert error.value.what.startswith(f"line {line}: ")
    assert construct in error.value.what.replace('"', "'")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("x = 1\nwhile True:\n  x = 2", f"line 3: .* more than {STEPS:,} statements"),
        (f"for i in range({STEPS - 1}):\n  pass", ""),
        (f"for i in range({STEPS}):\n  pass", f"more than {STEPS:,} statements"),
        ("x = 3\nfor i in range(50):\n  x *= x", "line 3: a number of more than 300 digits"),
        (f"x = {10**400}", "digits"),
        # None of the program's own words stop our own errors.
        ("while True:\n  try:\n    x = 1\n  finally:\n    continue", "statements"),
        ("x = 3\nwhile True:\n  try:\n    x *= x\n  except:\n    break", "digits"),
        ("x = 3\nfor i in range(50):\n  try:\n    x *= x\n  finally:\n    break\nx = x", ""),
        ("x = " + "(" * 5_000 + "1" + ")" * 5_000, "parentheses"),
        ("x = " + "-" * 5_000 + "1", "fewer parentheses"),
        ("x = 1" + "+ 1" * 20_000, "fewer parentheses"),
        ("x = 1\0", "."),
        ("x = ", "line 1"),
        ("break", "line 1: .*outside loop"),
        ("try:\n  x = 1\nexcept:\n  pass\nexcept ValueError:\n  pass", "must be last"),
        ("x = 1\ny = x // 0", "line 2: the program ends with ZeroDivisionError"),
        ("for i in range(1, 2, 0):\n  pass", "line 1: the program ends with ValueError"),
        ("x = 1\nx += y", "line 2: the program ends with NameError"),
    ],
)
def test_no_program_hangs_or_ends_without_a_word(program: str, message: str) -> None:
    if not message:
        assert variables_of(program)
        return
    with pytest.raises(UsageError, match=message):
        variables_of(program)


def test_the_answer_is_the_queried_variable_or_the_one_assigned_last() -> None:
    assert answer_of("a = 1\nb = True\n#a:") == 1
    assert answer_of("a = 1\nb = True\n# a : \n") == 1
    assert answer_of("a = 1\nb = True\n# the end") is True
    assert answer_of("a = 1\nb = 2\nif a < b:\n  a = 7\nelse:\n  b = 8") == 7
    assert queried("a=1\n#b:\nc=1") is None
    with pytest.raises(UsageError, match="asks for 'b', which has no value"):
        answer_of("a = 1\n#b:")
    with pytest.raises(UsageError, match="assigns nothing"):
        answer_of("pass")


@settings(max_examples=50)
@given(st.text() | st.text(st.sampled_from("abx =1:\n #+()-<ifor")))
def test_any_text_runs_or_is_refused(text: str) -> None:
    try:
        variables_of(text)
    except UsageError as error:
        refused = error
    else:
        return
    assert refused.hint
