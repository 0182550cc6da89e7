"""What a result was made with: when, by which call, from which code, with which versions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from the_experiment.base.strict import Strict

PACKAGES = ("the-experiment", "torch", "transformers", "numpy")
SECONDS = 5.0  # that git has to answer


class Manifest(Strict):
    """Of a training or an experiment. Times are UTC."""

    created: str
    finished: str | None = None
    command: list[str]  # the arguments as given
    arguments: dict[str, Any]  # as resolved: every default written out, seeds among them
    commit: str | None  # of the folder it was started in; None where that is no git checkout
    dirty: bool | None  # whether that has changes that are in no commit; None where git can't say
    versions: dict[str, str]
    machine: dict[str, Any]

    def ended(self) -> Manifest:
        """The same, with the time it is."""
        return self.model_copy(update={"finished": _now()})


def start_manifest(arguments: Mapping[str, Any]) -> Manifest:
    """The manifest of what begins now."""
    changes = _git("status", "--porcelain")
    return Manifest(
        created=_now(),
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        arguments=dict(arguments),
        commit=_git("rev-parse", "HEAD"),
        dirty=None if changes is None else bool(changes),
        versions=versions(*PACKAGES),
        machine={
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
    )


def versions(*packages: str) -> dict[str, str]:
    """Of those of these packages that are installed, and of Python."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _git(*words: str) -> str | None:
    """What git says of the folder we are in; None where it says nothing."""
    try:
        done = subprocess.run(
            ["git", *words], capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
