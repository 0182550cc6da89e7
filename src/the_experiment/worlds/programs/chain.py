"""The chain of a program, from its constant to the variable asked for; pairs that differ in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.worlds.generators import Generator, Random, one_of
from the_experiment.worlds.programs.binding import make_variable_binding_program
from the_experiment.worlds.programs.interpreter import QUERY, answer_of, queried
from the_experiment.worlds.template import Span

ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)[ \t]*=[ \t]*([^=\s].*)")
NAME = re.compile(r"[A-Za-z_]\w*")
NUMBER = re.compile(r"-?\d+")
SHAPE = "write lines such as x=3, y=x and a closing #y:"


@dataclass(frozen=True)
class Line:
    """An assignment: the name on its left, the text on its right and where that stands."""

    name: str
    right: str
    start: int

    @property
    def reads(self) -> list[str]:
        """The variables on its right-hand side, each once."""
        return list(dict.fromkeys(NAME.findall(self.right)))

    @property
    def end(self) -> int:
        """One past its last character."""
        return self.start + len(self.right)


def chain_of(program: str) -> tuple[str, ...]:
    """The variables from the one with the constant to the one asked for.

    Asked for is the one in a closing `#name:`, or else the one assigned last. Raises `UsageError`
    where there is no such chain: another kind of line, a name that no line above gives a value,
    or one whose value is made of two others.

    >>> chain_of("x=3\\nz=1\\ny=x\\n#y:")
    ('x', 'y')
    """
    return tuple(line.name for line in _chain(program))


def spans_of(program: str) -> dict[str, Span]:
    """Where the chain stands in the program, each with its variable's value.

    `depth 1` is the right-hand side with the constant, `depth 2` the one that reads that line's
    variable, and so on; `query` is the name in the closing line and `:` its colon, where there is
    one. Raises `UsageError` where there is no chain.

    >>> spans_of("x=3\\ny=x\\n#y:")["depth 2"]
    Span(start=6, end=7, value=3)
    """
    chain = [_span(program, line) for line in _chain(program)]
    spans = {f"depth {depth}": span for depth, span in enumerate(chain, start=1)}
    found = QUERY.search(program)
    if found:
        spans["query"] = Span(*found.span(1), chain[-1].value)
        spans[":"] = Span(*found.span(2), chain[-1].value)
    return spans


def right_hand_sides(program: str) -> list[Span]:
    """Where the right-hand side of each line stands, with the value it gives.

    Raises `UsageError` for a line that is not an assignment.

    >>> [span.value for span in right_hand_sides("x=3\\nz=1\\ny=x\\n#y:")]
    [3, 1, 3]
    """
    return [_span(program, line) for line in _lines(program)]


def with_constant(program: str, value: int) -> str:
    """The same program with another constant at the beginning of its chain.

    Raises `UsageError` where there is no chain.

    >>> with_constant("x=3\\nz=1\\ny=x\\n#y:", 7)
    'x=7\\nz=1\\ny=x\\n#y:'
    """
    line = _chain(program)[0]
    return f"{program[: line.start]}{value}{program[line.end :]}"


def another_constant(program: str, rng: Random) -> int:
    """A number of as many digits as the chain's constant that occurs nowhere in the program.

    Raises `UsageError` where there is no chain, or no such number left.
    """
    digits = len(_chain(program)[0].right.removeprefix("-"))
    taken = {abs(int(number)) for number in NUMBER.findall(program)}
    free = set(range(10 ** (digits - 1) if digits > 1 else 0, 10**digits)) - taken
    if not free:
        raise UsageError("every other constant occurs in this program already", "drop some lines")
    return one_of(rng, sorted(free))


def _span(program: str, line: Line) -> Span:
    return Span(line.start, line.end, int(answer_of(program[: line.end])))


def _chain(program: str) -> list[Line]:
    """The lines of the chain, that of the constant first."""
    lines = _lines(program)
    asked = QUERY.search(program)
    if not lines:
        raise UsageError("this program assigns nothing", SHAPE)
    name, chain = asked[1] if asked else lines[-1].name, list[Line]()
    while not chain or chain[0].reads:
        while lines and lines[-1].name != name:  # a line reads what stands above it
            lines.pop()
        if not lines:
            raise UsageError(f"no line above gives {name} a value", SHAPE)
        chain.insert(0, lines.pop())
        name, *more = chain[0].reads or [""]
        if more:
            raise UsageError(f"{chain[0].right!r} reads several variables, not one", SHAPE)
    if not NUMBER.fullmatch(chain[0].right):
        raise UsageError(f"{chain[0].right!r}, where the chain begins, is not one number", SHAPE)
    return chain


def _lines(program: str) -> list[Line]:
    """Every assignment; blank lines and comments say nothing."""
    lines, start = [], 0
    for text in program.splitlines(keepends=True):
        written = text.strip()
        found = ASSIGNMENT.fullmatch(written)
        if found and text.startswith(written):
            lines.append(Line(found[1], found[2], start + found.start(2)))
        elif written and not written.startswith("#"):
            raise UsageError(f"the line {written!r} is not an assignment", SHAPE)
        start += len(text)
    return lines


@dataclass(frozen=True)
class ProgramPair:
    """A program, the same one with another constant, and what each of them gives."""

    program: str
    counterfactual: str
    answer: int
    other_answer: int
    rng_seed: int | None = None  # that it was drawn with

    @property
    def hops(self) -> int:
        """How many references lie between the answer and its constant."""
        return len(chain_of(self.program)) - 1


def counterfactual_pair(program: str, constant: int, rng_seed: int | None = None) -> ProgramPair:
    """A program beside the one with this constant.

    Raises `UsageError` where there is no chain, or both give the same answer.

    >>> counterfactual_pair("x=5\\ny=x * 2\\n#y:", 3).other_answer
    6
    """
    other = with_constant(program, constant)
    pair = ProgramPair(program, other, answer_of(program), answer_of(other), rng_seed)
    if pair.answer == pair.other_answer:
        raise UsageError(
            f"with {constant} in place of its constant this program gives {pair.answer}, as before",
            "choose another constant",
        )
    return pair


def drawn_pair(
    lines: int, hops: int, rng_seed: int, generator: Generator = make_variable_binding_program
) -> ProgramPair | None:
    """The program of this seed with a constant that it doesn't have; None where it has all."""
    rng = np.random.RandomState(rng_seed)
    program, *_ = generator(lines, rng, hops)
    try:
        return counterfactual_pair(program, another_constant(program, rng), rng_seed)
    except UsageError:
        return None


COMMONEST, FIRST = "commonest answer", "first line's constant"
FIRST_CONSTANT = re.compile(r"\w+\s*=\s*(-?\d+|True|False)\s*\n")


def first_constant(program: str) -> str:
    """The constant on the first line of a program that ends with a query; empty where none is.

    >>> first_constant("x=3\\ny=x\\n#y:"), first_constant("x = 3\\nx += 1")
    ('3', '')
    """
    found = FIRST_CONSTANT.match(program)
    return found[1] if found and queried(program) else ""
