"""One training at a time in a run's folder: two would mix their weights and figures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from loguru import logger

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import archived, explained
from the_experiment.base.runs import Run, refuse_foreign


class Hold:
    """Keeps other processes' trainings off a run's folder; the system ends it with the process.

    Raises `ExperimentError` where another process holds it.
    """

    def __init__(self, run: Run) -> None:
        self._lock = FileLock(run.lock)
        with explained(f"writing {run.folder}"):
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                raise ExperimentError(
                    f"{run.folder} is being trained by another process",
                    "wait for it, or choose another name with --name",
                ) from None

    def release(self) -> None:
        """Let others in, and leave nothing behind."""
        # Before it is let go: after that the file may be another's. Windows keeps open files.
        with suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()


def claimed(run: Run) -> Hold:
    """Take the run's folder, moving what is there into the archive.

    Raises `ExperimentError` where it holds something that is no run, or another process has it.
    """
    folder = run.folder
    with explained(f"writing {folder}"):
        if folder.exists():
            refuse_foreign(run)
            Hold(run).release()
            place = archived(folder, run.archive)
            logger.info("the earlier {} is kept in {}", run.name, place)
        folder.mkdir(parents=True)
    return Hold(run)
