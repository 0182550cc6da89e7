"""Words for numbers."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """So many of a thing.

    >>> counted(1, "step"), counted(1_200, "step")
    ('1 step', '1,200 steps')
    """
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
