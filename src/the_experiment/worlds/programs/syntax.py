"""The language of programs: which of Python's constructs they may be written with."""

from __future__ import annotations

import ast
import keyword
import operator
import re
from collections.abc import Callable, Sequence

from the_experiment.base.errors import UsageError
from the_experiment.worlds.meaning import renamed

ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ERRORS = ("Exception", "NameError", "ValueError", "ZeroDivisionError")
RESERVED = ("range", *ERRORS)
NAME = re.compile(r"\b[A-Za-z_]\w*")


def parsed(program: str) -> ast.Module:
    """The program as a tree in which everything is known; `UsageError` names line and construct.

    >>> parsed("x = 1\\nprint(x)")
    Traceback (most recent call last):
    the_experiment.base.errors.UsageError: line 2: 'print(x)' is not in ...
    """
    try:
        tree = ast.parse(program)
        _check(tree)
        compile(tree, "<program>", "exec")  # never run: finds a `break` outside of loops
    except SyntaxError as error:
        raise UsageError(
            f"line {error.lineno}: {error.msg}", "write the program as in Python"
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise unreadable() from None
    return tree


def with_names_in_order(program: str) -> str:
    """The program with its variables, and what its last line asks for, renamed as they appear.

    It computes the same: no line, number or operation is changed.

    >>> with_names_in_order("u=8\\nm=u\\n#m:") == with_names_in_order("a=8\\nb=a\\n#b:")
    True
    >>> with_names_in_order("for i in range(3):\\n    x += i")
    'for _0 in range(3):\\n    _1 += _0'
    """
    return renamed(program, NAME, kept=(*keyword.kwlist, *RESERVED))


def _check(node: ast.AST) -> None:
    for part in _parts(node):
        _check(part)


def _parts(node: ast.AST) -> Sequence[ast.AST]:
    """What a node of a program is made of; `UsageError` for a node that the language lacks."""
    match node:
        case ast.Module(body=body):
            return body
        case ast.Assign(targets=[ast.Name() as target], value=value):
            return [target, value]
        case ast.AugAssign(target=ast.Name() as target, op=operation, value=value) if (
            type(operation) in ARITHMETIC
        ):
            return [target, value]
        case ast.If(test=test, body=body, orelse=orelse):
            return [test, *body, *orelse]
        case ast.For(
            target=ast.Name() as target,
            iter=ast.Call(func=ast.Name(id="range"), args=[_, *_] as bounds, keywords=[]),
            body=body,
            orelse=[],
        ) if len(bounds) <= 3:
            return [target, *bounds, *body]
        case ast.While(test=test, body=body, orelse=[]):
            return [test, *body]
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            return [*body, *handlers, *orelse, *finalbody]
        case ast.ExceptHandler(type=None | ast.Name() as error, name=None, body=body) if (
            error is None or error.id in ERRORS
        ):
            return body
        case ast.Raise(exc=ast.Name(id=error), cause=None) if error in ERRORS:
            return []
        case ast.Pass() | ast.Break() | ast.Continue():
            return []
    return _operands(node)


def _operands(node: ast.AST) -> Sequence[ast.AST]:
    """What an expression is made of."""
    match node:
        case ast.Constant(value=bool() | int()):
            return []
        case ast.Name(id=name) if name not in RESERVED:
            return []
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            return [operand]
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in ARITHMETIC:
            return [left, right]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(left=left, ops=operations, comparators=others) if all(
            type(operation) in COMPARISONS for operation in operations
        ):
            return [left, *others]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return [test, body, orelse]
    raise unknown(node)


def unknown(node: ast.AST) -> UsageError:
    """The error that the language has no such construct."""
    line = getattr(node, "lineno", 1)
    return UsageError(
        f"line {line}: {ast.unparse(node).splitlines()[0]!r} is not in the language of programs",
        "it has assignments of whole numbers and truth values, + - * // %, comparisons, and, or,"
        " not, if, for in range(), while, try and raise",
    )


def unreadable() -> UsageError:
    """The error that a program is nested too deeply, or no text."""
    return UsageError("the program can't be read", "write it with fewer parentheses and levels")
