"""Programs that fail, or don't, and catch it: the answer depends on which lines ran."""

from __future__ import annotations

from the_experiment.worlds.generators import PROGRAMS, Generated, Random, below, one_of
from the_experiment.worlds.programs.drawing import (
    asked,
    changed,
    indented,
    names,
    refuse_length,
    step,
    with_small_answer,
)

LONGEST = 20


@PROGRAMS.register("make_exception_program")
def make_exception_program(seq_len: int, rng: Random) -> Generated:
    """`seq_len` times a `try` in which a line fails or doesn't, around changes of a number.

    It fails by dividing by zero, by a name without a value, or by `raise`. `raised` in the metadata
    says for each whether it does. Raises `UsageError` for lengths beyond 1 to 20.

    >>> import numpy as np
    >>> program, expected, metadata = make_exception_program(1, np.random.RandomState(0))
    >>> print(program, expected)
    t = 63
    c = 0
    try:
        t += 5
        c = 9 // c
        t += 1
    except Exception:
        t += 6
    else:
        t += 9
    finally:
        t += 4
    #t: 78
    """
    refuse_length(seq_len, LONGEST)

    def draw() -> Generated:
        number, other, missing = names(rng, 3)
        raised = [one_of(rng, (True, False)) for _ in range(seq_len)]
        lines = [f"{number} = {below(rng, 100)}"]
        for fails in raised:
            lines += _try(rng, number, other, missing, fails)
        return asked(lines, number, raised=raised)

    return with_small_answer(draw)


def _try(rng: Random, number: str, other: str, missing: str, fails: bool) -> list[str]:
    """A `try` around something that fails or not; each part of it changes the number."""
    error = one_of(rng, ("ZeroDivisionError", "NameError", "ValueError"))
    digit = 1 + below(rng, 9)
    if error == "ZeroDivisionError":
        given, risk = 0 if fails else digit, [f"{other} = {digit} // {other}"]
    elif error == "NameError":
        given, risk = digit, [f"{other} = {missing if fails else number}"]
    else:
        given, most = digit, below(rng, digit) if fails else digit + below(rng, 10 - digit)
        risk = [f"if {other} > {most}:", *indented("raise ValueError")]
    parts = [f"except {one_of(rng, (error, 'Exception'))}:"]
    parts += [part for part in ("else:", "finally:") if one_of(rng, (True, False))]
    lines = [f"{other} = {given}", "try:"]
    lines += indented(changed(number, step(rng)), *risk, changed(number, step(rng)))
    for part in parts:
        lines += [part, *indented(changed(number, step(rng)))]
    return lines
