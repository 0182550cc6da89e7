"""A tiny interpreter of programs: their answers come from running them, never from `exec`.

It runs what the language (`syntax.py`) has just as Python would, but for loops that don't end and
numbers that grow too large. A line `#name:` at the end is a comment that asks for a variable.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Sequence

from the_experiment.base.errors import UsageError
from the_experiment.worlds.generators import Answer
from the_experiment.worlds.programs.syntax import (
    ARITHMETIC,
    COMPARISONS,
    parsed,
    unknown,
    unreadable,
)

# The closing line: the name that it asks for, and its colon.
QUERY = re.compile(r"^#[ \t]*([A-Za-z_]\w*)[ \t]*(:)\s*\Z", re.MULTILINE)
STEPS = 100_000  # statements that a program may run before it counts as one that doesn't end
LARGEST = 10**300


def answer_of(program: str) -> Answer:
    """The value asked for by the closing line `#name:`, or else of the variable assigned last.

    Raises `UsageError` as `variables_of` does, and where there is no such variable.

    >>> answer_of("x = 0\\nfor i in range(4):\\n    x += 3\\ny = x > 9\\n#x:")
    12
    """
    run = _run(program)
    name = queried(program) or run.last
    if name not in run.variables:
        asked = f"asks for {name!r}, which has no value" if name else "assigns nothing"
        raise UsageError(f"the program {asked}", "end it with a line `#name:` of a variable in it")
    return run.variables[name]


def variables_of(program: str) -> dict[str, Answer]:
    """The value of each variable when the program has run.

    Raises `UsageError` with the line for what is not in the language, an error of the program that
    nothing in it catches, more than `STEPS` statements, and numbers beyond `LARGEST`.

    >>> variables_of("try:\\n    x = 1 // 0\\nexcept ZeroDivisionError:\\n    x = 7")
    {'x': 7}
    """
    return _run(program).variables


def queried(program: str) -> str | None:
    """The variable that a closing line `#name:` asks for; None where there is no such line.

    >>> queried("a=1\\nb=a\\n#b:"), queried("a=1")
    ('b', None)
    """
    asked = QUERY.search(program)
    return asked[1] if asked else None


class _RaisedError(Exception):
    """An error of the program, by name, on its way to an `except`."""

    def __init__(self, name: str, line: int) -> None:
        super().__init__(name)
        self.name = name
        self.line = line


class _Break(Exception):  # noqa: N818 - no error: it leaves a loop, through each `finally`
    """A `break` on its way to its loop."""


class _Continue(Exception):  # noqa: N818
    """A `continue` on its way to its loop."""


def _run(program: str) -> _Run:
    run = _Run()
    try:
        run.block(parsed(program).body)
    except _RaisedError as error:
        raise UsageError(
            f"line {error.line}: the program ends with {error.name}", "catch it, or take it out"
        ) from None
    except RecursionError:
        raise unreadable() from None
    return run


class _Run:
    """A program while it runs: its variables, which was assigned last, the statements it ran."""

    def __init__(self) -> None:
        self.variables: dict[str, Answer] = {}
        self.last = ""
        self.steps = 0

    def block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self.steps += 1
            if self.steps > STEPS:
                raise UsageError(
                    f"line {statement.lineno}: the program runs more than {STEPS:,} statements",
                    "see whether its loops end",
                )
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.assign(name, self.value(value))
            case ast.AugAssign(target=ast.Name(id=name) as target, op=operation, value=value):
                self.assign(name, self.arithmetic(operation, self.read(target), value))
            case ast.If(test=test, body=body, orelse=orelse):
                self.block(body if self.value(test) else orelse)
            case ast.For(target=ast.Name(id=name), iter=ast.Call(args=bounds), body=body):
                for number in self.range(node, bounds):
                    self.variables[name] = number
                    if not self.goes_on(body):
                        break
            case ast.While(test=test, body=body):
                while self.value(test) and self.goes_on(body):
                    pass
            case ast.Try():
                self.finally_(node)
            case ast.Raise(exc=ast.Name(id=name)):
                raise _RaisedError(name, node.lineno)
            case ast.Break():
                raise _Break
            case ast.Continue():
                raise _Continue

    def assign(self, name: str, value: Answer) -> None:
        self.variables[name] = value
        self.last = name

    def goes_on(self, body: Sequence[ast.stmt]) -> bool:
        """Run the body of a loop once; False when it left the loop."""
        try:
            self.block(body)
        except _Continue:
            pass
        except _Break:
            return False
        return True

    def range(self, node: ast.For, bounds: Sequence[ast.expr]) -> range:
        values = [self.value(bound) for bound in bounds]
        if values[2:] == [0]:
            raise _RaisedError("ValueError", node.lineno)
        return range(*values)

    def finally_(self, node: ast.Try) -> None:
        """Not by Python's own `finally`, in which a `break` would swallow our own errors too."""
        try:
            self.try_(node)
        except (_RaisedError, _Break, _Continue):
            self.block(node.finalbody)
            raise
        self.block(node.finalbody)

    def try_(self, node: ast.Try) -> None:
        try:
            self.block(node.body)
        except _RaisedError as error:
            handler = next((one for one in node.handlers if _catches(one, error)), None)
            if handler is None:
                raise
            self.block(handler.body)
        else:
            self.block(node.orelse)

    def value(self, node: ast.expr) -> Answer:
        """What an expression is worth, as in Python: `True + 1` is 2, `0 or 3` is 3."""
        match node:
            case ast.Constant(value=bool() | int() as value):
                return _bounded(value, node)
            case ast.Name():
                return self.read(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.UnaryOp(operand=operand):
                return -self.value(operand)
            case ast.BinOp(left=left, op=operation, right=right):
                return self.arithmetic(operation, self.value(left), right)
            case ast.BoolOp(op=operation, values=[*first, last]):
                for operand in first:
                    value = self.value(operand)
                    if bool(value) is isinstance(operation, ast.Or):
                        return value
                return self.value(last)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test) else orelse)
            case ast.Compare(left=left, ops=operations, comparators=others):
                return self.compare(self.value(left), operations, others)
        raise unknown(node)

    def read(self, node: ast.Name) -> Answer:
        if node.id in self.variables:
            return self.variables[node.id]
        if hasattr(builtins, node.id):  # Python would find a function here
            raise unknown(node)
        raise _RaisedError("NameError", node.lineno)

    def arithmetic(self, operation: ast.operator, left: Answer, right: ast.expr) -> int:
        divisor = self.value(right)
        if divisor == 0 and isinstance(operation, ast.FloorDiv | ast.Mod):
            raise _RaisedError("ZeroDivisionError", right.lineno)
        return _bounded(ARITHMETIC[type(operation)](left, divisor), right)

    def compare(
        self, left: Answer, operations: Sequence[ast.cmpop], others: Sequence[ast.expr]
    ) -> bool:
        """A chain such as `a < b < c`: what stands behind the first that fails is not looked at."""
        for operation, other in zip(operations, others, strict=True):
            right = self.value(other)
            if not COMPARISONS[type(operation)](left, right):
                return False
            left = right
        return True


def _catches(handler: ast.ExceptHandler, error: _RaisedError) -> bool:
    caught = handler.type.id if isinstance(handler.type, ast.Name) else "Exception"
    return caught in ("Exception", error.name)


def _bounded(value: Answer, node: ast.expr) -> Answer:
    if abs(value) > LARGEST:
        raise UsageError(
            f"line {node.lineno}: a number of more than {len(str(LARGEST)) - 1} digits",
            "keep the program's numbers small",
        )
    return value
