"""Calls in worker processes: in parallel, one killed, one that raises."""

from __future__ import annotations

import os
import signal

import pytest

from the_experiment.base.errors import ExperimentError
from the_experiment.base.processes import in_parallel


def doubled(number: int) -> int:
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_every_call_gives_its_result() -> None:
    assert sorted(in_parallel(doubled, [(1,), (2,), (3,)], 2)) == [2, 4, 6]


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
def test_a_killed_worker_is_an_error_with_a_mend() -> None:
    with pytest.raises(
        ExperimentError, match=r"a worker process was killed.*: run the same command again"
    ):
        list(in_parallel(doubled, [(-1,), (2,)], 1))
