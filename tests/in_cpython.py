"""Programs of the tiny language, run by CPython itself."""

from __future__ import annotations

import builtins
import sys
from types import FrameType
from typing import Any

from the_experiment.worlds.programs.syntax import ERRORS


def in_cpython(program: str, lines: list[int] | None = None) -> tuple[dict[str, Any], str]:
    """Its variables, and the error it ends with or ""; the lines that run go into `lines`."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if lines is None or frame.f_code.co_filename != "<drawn>":
            return None
        if event == "line":
            lines.append(frame.f_lineno)
        return trace

    known = {name: getattr(builtins, name) for name in (*ERRORS, "range")}
    variables: dict[str, Any] = {"__builtins__": known}
    code = compile(program, "<drawn>", "exec")
    before = sys.gettrace()
    sys.settrace(before if lines is None else trace)
    error = ""
    try:
        exec(code, variables)  # noqa: S102 - a program drawn by a test, with few names
    except Exception as raised:
        error = type(raised).__name__
    finally:
        sys.settrace(before)
    del variables["__builtins__"]
    return variables, error
