"""What a GPU captures as a CUDA graph, replayed by a stand-in; CUDA itself was never at hand.

The stand-in records every operation of torch, and replays them on the same tensors: as with a
CUDA graph, what Python does in between is not done again, and Python's numbers stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from test_compiled import batches, gpt2, spec_of, trained
from test_ensemble import configs, furthest
from the_experiment.base.runs import Run
from the_experiment.training import compiled, ensemble, graph
from the_experiment.training.compiled import CUDAGraphStep
from the_experiment.training.ensemble import train_together
from the_experiment.training.job import prepare
from the_experiment.training.loop import Training
from the_experiment.training.step import Step

WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")  # for the device


class Recording(TorchDispatchMode):
    """Records while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITING:
            raise RuntimeError(f"{name} waits for the device")
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        """Do it all again."""
        for func, args, kwargs, result in self.calls:
            pairs = zip(tree_leaves(result), tree_leaves(func(*args, **kwargs)), strict=True)
            for before, now in pairs:
                if isinstance(now, Tensor) and before.data_ptr() != now.data_ptr():
                    before.copy_(now)


def captured(
    work: Callable[[], None], _: torch.device, changed: Sequence[Tensor]
) -> Callable[[], None]:
    """In place of `graph.captured`: as on a GPU, a capture changes what it captures."""
    before = [one.clone() for one in changed]
    work()
    with Recording() as recording:
        work()
    for one, kept in zip(changed, before, strict=True):
        one.copy_(kept)
    replay: Callable[[], None] = recording.replay
    return replay


def furthest_state(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_captured_step_gives_what_the_step_gives(
    monkeypatch: pytest.MonkeyPatch, dropout: float
) -> None:
    models = [gpt2(dropout) for _ in range(3)]
    seen = batches(10)
    eager = trained(CUDAGraphStep(models[0], spec_of(models[0])), seen)
    monkeypatch.setattr(compiled, "captured", captured)
    played = CUDAGraphStep(models[1], spec_of(models[1]))
    assert furthest_state(trained(played, seen), eager) == 0
    assert furthest(models[0], models[1]) == 0
    lean = Step(models[2], clip=1.0, weight_decay=0.1, autocast=nullcontext())
    apart = furthest_state(trained(lean, seen), eager)
    assert apart < 5e-5 if dropout == 0 else apart > 1e-3  # masks of its own


def test_a_captured_step_goes_on_from_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "captured", captured)
    model, other, seen = gpt2(0.1), gpt2(0.1), batches(8)
    step = CUDAGraphStep(model, spec_of(model))
    middle = trained(step, seen[:5])
    whole = trained(step, seen[5:], begin=5)
    resumed = CUDAGraphStep(other, spec_of(other))
    resumed.restore(middle, 5)
    assert furthest_state(trained(resumed, seen[5:], begin=5), whole) == 0


def test_a_captured_ensemble_gives_what_it_gives_uncaptured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = configs(tmp_path, 1, 2, 3, until_fit=True, layers=2)
    theirs = train_together(several, hashed=True)
    monkeypatch.setattr(ensemble, "captured", captured)
    for one, other in zip(train_together(several, hashed=True), theirs, strict=True):
        assert furthest(one.model, other.model) == 0
        assert (one.steps, one.fitted) == (other.steps, other.fitted)


def test_what_can_not_be_captured_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = torch.zeros(2)

    def fails(work: Callable[[], None], _: torch.device) -> Callable[[], None]:
        work()
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    monkeypatch.setattr(graph, "_cuda_graph", fails)

    def count() -> None:
        numbers.add_(1)

    work = graph.captured(count, torch.device("cuda"), [numbers])
    assert numbers.tolist() == [0, 0]  # as before
    work()
    assert numbers.tolist() == [1, 1]


@pytest.mark.parametrize("name", ["rnn", "cnn"])
def test_no_step_within_an_epoch_reads_anything_back(tmp_path: Path, name: str) -> None:
    (config,) = configs(tmp_path, 1, rows=320, model=name, width=64, layers=2, plain=True)
    training = Training(prepare(config), Run(tmp_path / "run"), None, None)
    training.one_step()
    with Recording():
        for _ in range(18):  # of 20
            training.one_step()
    training.lifecycle.release()
