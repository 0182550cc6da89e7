"""The errors a user can cause. Each says what happened and what to do about it."""

from __future__ import annotations

from importlib.util import find_spec


class ExperimentError(Exception):
    """Something failed that the user can fix; shown without a traceback.

    `what` says what happened, `hint` what to do about it.

    >>> print(ExperimentError("no model in out/", "run `the-experiment train`"))
    no model in out/: run `the-experiment train`
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}: {self.hint}" if self.hint else self.what


class UsageError(ExperimentError):
    """The words of the call are wrong: a malformed sequence, an unknown name."""

    exit_code = 2


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind where there is none."""
    return next(iter(str(error).strip().splitlines()), repr(error))


INSTALL = "pip install '.[{extra}]'"


def require_packages(*modules: str, extra: str = "finetune") -> None:
    """Raise `ExperimentError` where one of these top-level modules is missing; none is imported.

    >>> require_packages("json", "math")
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ExperimentError(
            f"not installed: {', '.join(missing)}",
            f"run `{INSTALL.format(extra=extra)}` in the checkout of the-experiment",
        )
