"""The rule language: from the text of a rule to its tree.

Binding from tightest to loosest: NOT and signs, `* // %`, `+ -`, comparisons, AND, XOR (or `^`),
OR, `X if C else Y`. Words may be written in any case.

>>> str(parse("A or NOT B and 2 < C + 1"))
'(A OR ((NOT B) AND (2 < (C + 1))))'
"""

from __future__ import annotations

import functools
from typing import Any, NoReturn

from the_experiment.base.errors import ExperimentError
from the_experiment.worlds.tree import FUNCTIONS, LARGEST, Apply, Name, Number, Tree

LONGEST_RULE = 4_000  # characters
DEEPEST_RULE = 80  # operators inside operators; keeps every walk of a tree within the stack

RESERVED = frozenset({"not", "and", "or", "xor", "if", "else", *FUNCTIONS})

GRAMMAR = r"""
?start: choice
?choice: disjunction
       | disjunction IF disjunction ELSE choice   -> choice
?disjunction: exclusive   | disjunction OR exclusive          -> binary
?exclusive: conjunction   | exclusive XOR conjunction         -> binary
?conjunction: comparison  | conjunction AND comparison        -> binary
?comparison: sum          | sum COMPARISON sum                -> binary
?sum: product             | sum SIGN product                  -> binary
?product: prefixed        | product TIMES prefixed            -> binary
?prefixed: atom           | (NOT | SIGN) prefixed             -> prefix
?atom: NUMBER             -> number
     | NAME               -> name
     | FUNCTION "(" choice ("," choice)* ")"                  -> call
     | "(" choice ")"

IF.2: /if\b/i
ELSE.2: /else\b/i
OR.2: /or\b/i
XOR.2: /xor\b|\^/i
AND.2: /and\b/i
NOT.2: /not\b/i
FUNCTION.2: /(min|max|abs)\b/i
COMPARISON: "==" | "!=" | "<=" | ">=" | "<" | ">"
SIGN: "+" | "-"
TIMES: "*" | "//" | "%"
NUMBER: /[0-9]+/
NAME: /(?!(not|and|or|xor|if|else|min|max|abs)\b)[A-Za-z_][A-Za-z_0-9]*/i
%ignore /[ \t\r\n]+/
"""


class RuleError(ExperimentError):
    """A rule that can't be read; `column` counts from 1 in its text."""

    def __init__(self, what: str, text: str, column: int) -> None:
        super().__init__(what)
        self.text = text
        self.column = column


def parse(text: str) -> Tree:
    """The tree of one expression. Raises `RuleError` with the column of what is wrong."""
    import lark

    if len(text) > LONGEST_RULE:
        raise RuleError(f"a rule has at most {LONGEST_RULE} characters", text, LONGEST_RULE)
    try:
        tree, _ = _parser().parse(text)
    except lark.exceptions.UnexpectedEOF:
        raise RuleError("the rule ends too early", text, len(text) + 1) from None
    except lark.exceptions.UnexpectedToken as error:
        _unexpected(error.token, text)
    except lark.exceptions.UnexpectedCharacters as error:
        column = (error.pos_in_stream or 0) + 1
        raise RuleError(f"{text[column - 1]!r} is not part of the language", text, column) from None
    except _RefusedRuleError as error:
        raise RuleError(error.what, text, error.column) from None
    return tree  # type: ignore[no-any-return]


def _unexpected(token: Any, text: str) -> NoReturn:
    if token.type == "$END":
        what = "the rule is empty" if not text.strip() else "the rule ends too early"
        raise RuleError(what, text, len(text) + 1) from None
    raise RuleError(f"{str(token)!r} is unexpected here", text, token.start_pos + 1) from None


class _RefusedRuleError(Exception):
    def __init__(self, what: str, column: int) -> None:
        self.what = what
        self.column = column


@functools.cache
def _parser() -> Any:
    """The parser; it builds trees bottom up as it reads, so depth costs no stack.

    Each step carries (tree, depth).
    """
    import lark

    def column(token: Any) -> int:
        return int(token.start_pos) + 1

    def applied(operator: str, operands: list[tuple[Tree, int]], at: int) -> tuple[Tree, int]:
        depth = 1 + max(depth for _, depth in operands)
        if depth > DEEPEST_RULE:
            raise _RefusedRuleError(f"more than {DEEPEST_RULE} operators inside each other", at)
        return Apply(operator, tuple(tree for tree, _ in operands), at), depth

    @lark.v_args(inline=True)
    class Builder(lark.Transformer[Any, Any]):
        def number(self, token: Any) -> tuple[Tree, int]:
            if len(token) > 19 or int(token) > LARGEST:
                raise _RefusedRuleError("the number is too large", column(token))
            return Number(int(token), column(token)), 0

        def name(self, token: Any) -> tuple[Tree, int]:
            return Name(str(token), column(token)), 0

        def prefix(self, operator: Any, operand: tuple[Tree, int]) -> tuple[Tree, int]:
            return applied(operator.upper(), [operand], column(operator))

        def binary(self, left: Any, operator: Any, right: Any) -> tuple[Tree, int]:
            symbol = "XOR" if operator == "^" else operator.upper()
            return applied(symbol, [left, right], column(operator))

        def choice(self, value: Any, word: Any, condition: Any, _: Any, other: Any) -> Any:
            return applied("if", [value, condition, other], column(word))

        def call(self, function: Any, *operands: tuple[Tree, int]) -> tuple[Tree, int]:
            name = function.lower()
            fewest, most = FUNCTIONS[name]
            if not fewest <= len(operands) <= most:
                wanted = "one value" if most == 1 else f"at least {fewest} values"
                raise _RefusedRuleError(f"{name} takes {wanted}", column(function))
            return applied(name, list(operands), column(function))

    return lark.Lark(GRAMMAR, parser="lalr", transformer=Builder())
