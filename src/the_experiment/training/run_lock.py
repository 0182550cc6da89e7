"""One training at a time in a run's folder: two would mix their weights and figures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from loguru import logger

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import archived, plain_os_errors, replaced_folder, write_text
from the_experiment.base.runs import Run, refuse_foreign

MEGABYTE = 1_000_000


class RunLock:
    """Keeps other processes' trainings off a run's folder; the system ends it with the process.

    Raises `ExperimentError` where another process holds it.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = FileLock(run.lock)
        with plain_os_errors(f"writing {run.folder}"):
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                raise ExperimentError(
                    f"{run.folder} is being trained by another process",
                    "wait for it, or choose another name with --name",
                ) from None
            self._file = _identity(run.lock)

    def check(self) -> None:
        """Raise `ExperimentError` where the folder is gone by now, emptied, or another one."""
        if not self._in_place or not self._run.config.is_file():
            raise ExperimentError(
                f"{self._run.folder} was removed or replaced while it was being trained",
                "train again, and leave the folder alone while it runs",
            )

    @property
    def _in_place(self) -> bool:
        try:
            return _identity(self._run.lock) == self._file
        except OSError:
            return False

    def release(self) -> None:
        """Let others in, and leave nothing behind."""
        # Before it is let go: after that the file may be another's. Windows keeps open files.
        with suppress(OSError):
            if self._in_place:
                Path(self._lock.lock_file).unlink()
        self._lock.release()


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


def refuse_taken(run: Run) -> None:
    """Raise `ExperimentError` where a run's folder is no run, or another process trains it."""
    with plain_os_errors(f"writing {run.folder}"):
        if run.folder.exists():
            refuse_foreign(run)
            RunLock(run).release()


def claimed(run: Run, texts: Mapping[Path, str], size: int) -> RunLock:
    """Take the run's folder and write these files of it, moving what is there into the archive.

    Raises `ExperimentError` where it holds something that is no run, or another process has it,
    and where the files, or `size` bytes, have no room: what is there then stays.
    """
    folder = run.folder
    refuse_taken(run)
    with plain_os_errors(f"writing {folder}"), replaced_folder(folder) as new:
        for file, text in texts.items():
            write_text(new / file.name, text)
        _refuse_full_disk(run, size)
        if folder.exists():
            place = archived(folder.resolve(), run.archive)
            logger.info("the earlier {} is kept in {}", run.name, place)
    return RunLock(run)


def _refuse_full_disk(run: Run, size: int) -> None:
    free = shutil.disk_usage(run.folder.parent).free
    if free < size:
        raise ExperimentError(
            f"{run.folder} needs {size / MEGABYTE:.1f} MB, and its disk has "
            f"{free / MEGABYTE:.1f} free",
            "free some space, or choose a folder on another disk",
        )
