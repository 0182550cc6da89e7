"""Where cells are computed: on a Ray cluster, one that runs already or one that is started here."""

from __future__ import annotations

import logging
import math
import os
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from the_experiment.base.errors import ExperimentError, UsageError, require_packages
from the_experiment.base.files import write_text
from the_experiment.engine.cell import Cell, canonical
from the_experiment.engine.executor import (
    Done,
    Failures,
    KilledError,
    OutOfTimeError,
    fill,
    land,
    missing_of,
)
from the_experiment.engine.store import Store

SHARED = "put --out on a disk that all nodes share"
SECONDS = 10.0  # that a cluster has to answer
AHEAD = 2  # cells handed over for each core: none waits for its next one


@dataclass(frozen=True)
class RayExecutor:
    """The Ray cluster at `address`; without one, a cluster of this machine for as long as it runs.

    Workers need this package. Results come back and land in this process, so that each lands once;
    cells that keep files need the folder of the results on every node. What a lost worker or node
    computed is computed again, three times in all.
    """

    address: str | None = None
    budget: float = math.inf  # seconds, after which cells that are still computed are stopped
    gpus: float = 0.0  # the share of a GPU that each cell gets

    def run(self, cells: Sequence[Cell], store: Store, done: Done = lambda _: None) -> Failures:
        """Land every cell that can be; those that fail, with why."""
        failed = Failures()
        if all(cell in store for cell in cells):
            missing_of(cells, store, done)
            return failed
        with store.cluster_at_work() as report_running:
            left = missing_of(cells, store, done)
            if not left:
                return failed
            with _connected(self.address):
                pool = _RayPool(store, self.gpus, report_running)
                try:
                    fill(pool, left, done, self.budget, failed)
                except OutOfTimeError:
                    pool.stop()
        return failed


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connected to a cluster; one that was connected before stays so."""
    require_packages("ray", extra="cluster")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # the network only when asked
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # and no warning of it
    if address and _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # else Ray 2.60 doesn't send it
    import ray  # which reads these as it is imported

    if ray.is_initialized():
        yield
        return
    _refuse_silent(address)
    dashboard = None if address else False  # theirs is theirs
    try:
        ray.init(address=address, include_dashboard=dashboard, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise _no_connection(address, error) from None
    try:
        yield
    finally:
        ray.shutdown()


def _no_connection(address: str | None, error: ConnectionError) -> ExperimentError:
    if address == "auto":
        return ExperimentError("this machine belongs to no Ray cluster", "start one: `ray start`")
    return ExperimentError(
        f"no connection to the Ray cluster at {address} ({error})",
        "if it wants a token, put that of its head node (`ray get-auth-token`) into RAY_AUTH_TOKEN",
    )


def _has_token() -> bool:
    """Whether Ray would find a token of a cluster."""
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    return bool(named) or (Path.home() / ".ray" / "auth_token").is_file()


def _refuse_silent(address: str | None) -> None:
    """Raise `ExperimentError` where nothing listens: Ray would wait for minutes, and exit."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return  # `auto`, which Ray looks up
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS).close()
    except OSError as error:
        raise ExperimentError(
            f"no Ray cluster answers at {address} ({error})", "run `ray status` on its head node"
        ) from None


def _check_gpus(share: float) -> None:
    """Raise `UsageError` for what Ray can't share; warn where no node has as much by now."""
    import ray

    if share > 1 and share != int(share):
        raise UsageError(f"--gpus {share:g} is not a share", "give one up to 1, or a whole number")
    most = max(node["Resources"].get("GPU", 0.0) for node in ray.nodes())
    if share > most:
        logger.warning(
            "no node of the Ray cluster has {:g} GPUs: cells wait for one that has", share
        )


class _RayPool:
    """Tasks of the cluster; see `Pool`."""

    def __init__(self, store: Store, gpus: float, report_running: Callable[[int], None]) -> None:
        import ray

        _check_gpus(gpus)
        store.folder.mkdir(parents=True, exist_ok=True)
        self._store = store
        self._gpus = gpus
        self._report_running = report_running
        self._compute = ray.remote(max_retries=0)(_computed)
        self._cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._tasks: dict[Cell, Any] = {}

    def submit(self, cell: Cell) -> Future[Any] | None:
        """Begin to compute a cell; None where enough waits already."""
        if len(self._tasks) >= AHEAD * self._cores:
            return None
        needed = {name: self._store.read(one) for name, one in cell.needs.items()}
        folder = str(self._store.folder.resolve()) if cell.keeps_files else None
        resources = self._compute.options(num_cpus=cell.cores, num_gpus=self._gpus)
        task = self._tasks[cell] = resources.remote(cell, needed, folder, self._gpus > 0)
        self._count()
        future: Future[Any] = task.future()
        return future

    def finish(self, cell: Cell, future: Future[Any]) -> ExperimentError | None:
        """Land what it gave; why that failed, if it did. Raises `KilledError`."""
        from ray.exceptions import RayError

        del self._tasks[cell]
        self._count()
        try:
            result, error, log = future.result()
        except RayError:  # its worker or its node is gone
            raise KilledError from None
        if log:
            path = self._store.log(cell)
            with suppress(ExperimentError):  # a full disk has no room for it either
                write_text(path, log)
            return ExperimentError(f"{error} (see {path})")
        if isinstance(error, ExperimentError):
            return error
        if cell.keeps_files and cell not in self._store:
            return ExperimentError(f"{cell.name} was written to a disk of another node", SHARED)
        try:
            self._store.result(cell, lambda: result)
        except ExperimentError as full:  # or another harm of this disk
            return full
        return None

    def _count(self) -> None:
        """Tell how many run; what is handed over beyond the cores of the cluster waits."""
        with suppress(ExperimentError):  # a full disk has no room for it
            self._report_running(min(len(self._tasks), self._cores))

    def stop(self) -> None:
        """End all that still runs."""
        import ray

        for task in self._tasks.values():
            ray.cancel(task, force=True)


def _computed(
    cell: Cell, needed: Mapping[str, Any], folder: str | None, on_gpu: bool
) -> tuple[Any, ExperimentError | str | None, str]:
    """In a worker: the result of a cell, why there is none, and a traceback where that is a bug."""
    if not on_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all of them to be seen
    if folder is not None:
        if not Path(folder).is_dir():
            missing = f"{cell.name} keeps files, and this node has no {folder}"
            return None, ExperimentError(missing, SHARED), ""
        return None, land(cell, Path(folder)), ""
    try:
        result = cell.compute(needed)
        canonical(result)  # raises for what JSON can't hold
        return result, None, ""
    except ExperimentError as error:
        return None, error, ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}", traceback.format_exc()
