"""Work on a GPU that is captured once and then replayed: one launch in place of hundreds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from loguru import logger
from torch import Tensor

from the_experiment.base.errors import first_line

WARM_UP = 3  # calls before a capture, in which libraries choose their kernels


def captured(
    work: Callable[[], None], device: torch.device, changed: Sequence[Tensor]
) -> Callable[[], None]:
    """A function that does what `work` does: on CUDA a capture of it, elsewhere `work` itself.

    `work` reads and writes tensors of the device alone, the same ones in each call, and never waits
    for it. `changed` are those that it changes; after the calls that a capture takes they
    are as before. Where CUDA can't capture it, that is logged, and `work` is returned.
    """
    if device.type != "cuda":
        return work
    before = [one.clone() for one in changed]
    try:
        return _cuda_graph(work, device)
    except RuntimeError as error:
        logger.warning("the step can't be a CUDA graph, and is slower: {}", first_line(error))
        return work
    finally:
        for one, kept in zip(changed, before, strict=True):
            one.copy_(kept)


def _cuda_graph(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """As torch's notes on CUDA graphs have it: warmed up on a stream beside the current one."""
    with torch.cuda.device(device):
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                work()
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
    replay: Callable[[], None] = graph.replay
    return replay
