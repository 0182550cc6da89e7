"""Packages that only fine-tuning needs: they come with the extra `finetune`."""

from __future__ import annotations

from importlib.util import find_spec

from the_experiment.base.errors import ExperimentError

INSTALL = "pip install '.[finetune]'"


def needed(*modules: str) -> None:
    """Raise `ExperimentError` where one of these top-level modules is missing; none is imported.

    >>> needed("json", "math")
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise ExperimentError(
            f"not installed: {', '.join(missing)}",
            f"run `{INSTALL}` in the checkout of the-experiment",
        )
