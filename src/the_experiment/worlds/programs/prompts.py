"""What a model is asked about a program, and which value of its answer that asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np

from the_experiment.base.errors import UsageError
from the_experiment.base.seeds import derived_seed
from the_experiment.worlds.answers import NO_NUMBER, Parsed, parse_boolean, parse_integer
from the_experiment.worlds.generators import Answer, Generator

CODE = "{code}"
TRIES = 50  # draws for each example wanted

RANGE_TRACKING = """\
Here is a Python program that changes a number step by step.

{code}

What is the variable in the last line worth when the program ends? Answer with the number only.
Answer:"""

BOOLEAN_LOGIC = """\
Here is a Python program whose variables are True or False.

{code}

Is the variable in the last line True or False when the program ends? Answer with one word.
Answer:"""

STEP_BY_STEP = """\
Run this Python program by hand. Write one line for each step, with the variable it changes and
its new value. End with a line "Final answer: " and the value of the variable in the last line.

{code}

Steps:
"""

CHAIN_OF_THOUGHT = """\
{code}

What is the value of the variable in the last line after this Python program has run? Think about
it first, in your own words. Then write "Final answer: " and the value.
"""

MINIMAL = """\
{code}
Answer:"""

ENTITY_TRACKING = """\
A program puts values into named boxes, one line at a time. A box keeps its value until a later
line puts another one into it.

{code}

What is in the box that the last line names, after all lines? Answer with its value only.
Answer:"""

VARIABLE_BINDING = """\
Each line gives a variable a number, or the value of another variable. The last line asks for the
value of one of them.

{code}"""

PROMPTS = {
    "RANGE_TRACKING": RANGE_TRACKING,
    "BOOLEAN_LOGIC": BOOLEAN_LOGIC,
    "STEP_BY_STEP": STEP_BY_STEP,
    "CHAIN_OF_THOUGHT": CHAIN_OF_THOUGHT,
    "MINIMAL": MINIMAL,
    "ENTITY_TRACKING": ENTITY_TRACKING,
    "VARIABLE_BINDING": VARIABLE_BINDING,
}


def fill_prompt(template: str, code: str) -> str:
    """The template with the program at each `{code}`; its other braces stay as they are.

    Raises `UsageError` for a template without `{code}`.

    >>> fill_prompt("{code} -> {value}", "x = {}")
    'x = {} -> {value}'
    """
    if CODE not in template:
        raise UsageError(
            f"the prompt {template!r} has no place for the program", f"write {CODE} in its place"
        )
    return template.replace(CODE, code)


def with_examples(template: str, examples: Iterable[tuple[str, Answer]]) -> str:
    """The template behind programs that stand in it with their answers.

    >>> print(with_examples("{code} ->", [("x = 1", 1)]))
    x = 1 -> 1
    <BLANKLINE>
    {code} ->
    """
    solved = [f"{fill_prompt(template, code)} {answer}\n\n" for code, answer in examples]
    return "".join([*solved, template])


def draw_examples(
    generator: Generator, count: int, seed: int, *lengths: int
) -> list[tuple[str, Answer]]:
    """Different programs of a length, and a number of hops if it takes that, with their answers."""
    rng = np.random.RandomState(derived_seed(seed, "examples", *lengths) % 2**32)
    found: dict[str, Answer] = {}
    for _ in range(TRIES * count):
        program, answer, _metadata = generator(*lengths[:1], rng, *lengths[1:])
        found.setdefault(program, answer)
        if len(found) == count:
            break
    return list(found.items())


Parser = Callable[..., Parsed]  # of a text, and perhaps of the question, and whether it was cut


def parse_variable_binding(text: str, question: str = "", cut: bool = False) -> Parsed:
    """The value of a queried variable: a whole number, or True or False where there is none.

    An answer may begin by repeating the query, whatever it goes on with.

    >>> parse_variable_binding("#y: 5\\nz=3\\n#z: 3"), parse_variable_binding("r = m = u = 8")
    (Parsed(value=5, reason=''), Parsed(value=8, reason=''))
    """
    answer = re.sub(r"^\s*#\s*\w+\s*[:=]", "", text)
    number = parse_integer(answer, question, cut)
    truth = parse_boolean(answer, question, cut) if number.reason == NO_NUMBER else number
    return truth if truth.value is not None else number


def parser_for(template: str, answer: Answer) -> Parser:
    """The parser that reads the answers to a prompt, where the right one is such as `answer`."""
    if template == VARIABLE_BINDING:
        return parse_variable_binding
    return parse_boolean if isinstance(answer, bool) else parse_integer
