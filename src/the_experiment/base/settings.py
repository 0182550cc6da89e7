"""Settings in a YAML file. What counts: defaults < file < environment < flags."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from the_experiment.base.errors import UsageError
from the_experiment.base.files import read_text


def read_settings(file: Path, known: Collection[str]) -> dict[str, Any]:
    """The options in a YAML file. Raises `UsageError` for a key that is none of `known`."""
    import yaml

    try:
        settings = yaml.safe_load(read_text(file)) or {}
    except (yaml.YAMLError, ValueError) as error:  # a date that is none, say
        raise UsageError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise UsageError(f"{file} should be keys with values, such as `epochs: 3`")
    for key in settings:
        if key not in known:
            raise UsageError(f"{file}: unknown key {key!r}", f"known are {', '.join(known)}")
    return {key: value for key, value in settings.items() if value is not None}
