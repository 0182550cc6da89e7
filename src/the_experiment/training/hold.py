"""One training at a time in a run's folder: two would mix their weights and figures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import explained
from the_experiment.base.runs import Run


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
