"""Where messages go: people's terminals (stderr) and files in `logs/`. Data goes to stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from pathlib import Path
from tempfile import TemporaryDirectory

from loguru import logger
from rich.console import Console

from the_experiment.base import defaults

LOG = "the-experiment.log"
ROTATION = 100_000_000  # bytes
RETENTION = 10 * 24 * 60 * 60  # seconds

stderr = Console(stderr=True, highlight=False)  # the one: bars and lines must know of each other

_kept: set[Path] = set()  # the folders that this process logs to


def log_to_terminal(level: str = "INFO") -> None:
    """Send messages of `level` and above to stderr, coloured where it is a terminal."""
    _log_only_to(_say, level)


def log_through(file: Path) -> None:
    """Send messages to `file` instead, for the process with the bars: see `forwarded_logs`."""
    _log_only_to(LogFile(file).write, "INFO")


def _log_only_to(sink: Callable[[str], None], level: str) -> None:
    logger.remove()
    _kept.clear()
    logger.add(sink, level=level, format="<level>{message}</level>", colorize=stderr.is_terminal)


@contextmanager
def forwarded_logs() -> Iterator[tuple[Path, Callable[[], None]]]:
    """A file for workers to `log_through`, and a function that says what is new in it.

    Workers that write to the terminal themselves would write into the bars. What is left is said
    at the end of the block.
    """
    with TemporaryDirectory(prefix="the-experiment-") as folder:
        file = Path(folder) / LOG
        file.touch()
        with file.open(encoding="utf-8") as messages:
            try:
                yield file, lambda: _say(messages.read())
            finally:
                _say(messages.read())


def log_to_folder(folder: Path = Path(defaults.LOGS)) -> None:
    """Also keep everything in `folder`: a new file every 100 MB, kept for 10 days."""
    if folder in _kept:
        return
    _kept.add(folder)
    logger.add(
        LogFile(folder / LOG).write,
        level="DEBUG",
        format="{time:YYYY-MM-DD HH:mm:ss.SSS} {level} {process} {name}: {message}",
    )


class LogFile:
    """A log that is begun with its first message. Where it can't be written, that is told once.

    Loguru's own file prints a traceback for each message then, and another at the end. This one
    is opened for each message, so nothing is left to be written when the process ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._given_up = False

    def write(self, message: str) -> None:
        """Append `message`, a whole line."""
        if self._given_up:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size >= ROTATION:
                self._rotate()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(message)
        except OSError as error:
            self._given_up = True
            if parent_process() is None:  # workers share the file, and one warning is enough
                _say(f"no log is kept: {error.strerror} ({self._path})\n")

    def _rotate(self) -> None:
        """Begin a new file, and remove those that nobody has written to for so long."""
        self._path.rename(self._path.with_suffix(time.strftime(".%Y-%m-%d_%H-%M-%S.log")))
        for old in self._path.parent.glob(f"{self._path.stem}.*.log"):
            if time.time() - old.stat().st_mtime > RETENTION:
                old.unlink()


def _say(message: str) -> None:
    """Write to stderr as it is now: while a bar is drawn, rich puts what is written above it."""
    sys.stderr.write(message)
