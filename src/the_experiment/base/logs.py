"""Where messages go: people's terminals (stderr) and files in `logs/`. Data goes to stdout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from loguru import logger
from rich.console import Console

from the_experiment.base import defaults

ROTATION = "100 MB"
RETENTION = "10 days"

stderr = Console(stderr=True, highlight=False)  # the one: bars and lines must know of each other

_kept: set[Path] = set()  # the folders that this process logs to


def log_to_terminal(level: str = "INFO") -> None:
    """Send messages of `level` and above to stderr, coloured where it is a terminal."""
    logger.remove()
    _kept.clear()
    logger.add(_say, level=level, format="<level>{message}</level>", colorize=stderr.is_terminal)


def _say(message: str) -> None:
    """Write to stderr as it is now: while a bar is drawn, rich puts what is written above it."""
    sys.stderr.write(message)


def log_to_folder(folder: Path = Path(defaults.LOGS)) -> None:
    """Also keep everything in `folder`: a new file every 100 MB, kept for 10 days."""
    if folder in _kept:
        return
    nearest = folder if folder.exists() else folder.parent
    if not os.access(nearest, os.W_OK):
        logger.warning("no log is kept: {} can't be written to", nearest.resolve())
        return
    _kept.add(folder)
    logger.add(
        folder / "the-experiment.log",
        level="DEBUG",
        rotation=ROTATION,
        retention=RETENTION,
        delay=True,  # a call that ends in an error leaves no empty log behind
        format="{time:YYYY-MM-DD HH:mm:ss.SSS} {level} {process} {name}: {message}",
    )
