"""Answers that need no model: what a shortcut says a program gives."""

from __future__ import annotations

import re

from the_experiment.worlds.programs.interpreter import queried

COMMONEST, FIRST = "commonest answer", "first line's constant"
FIRST_CONSTANT = re.compile(r"\w+\s*=\s*(-?\d+|True|False)\s*\n")


def first_constant(program: str) -> str:
    """The constant on the first line of a program that ends with a query; empty where none is.

    >>> first_constant("x=3\\ny=x\\n#y:"), first_constant("x = 3\\nx += 1")
    ('3', '')
    """
    found = FIRST_CONSTANT.match(program)
    return found[1] if found and queried(program) else ""
