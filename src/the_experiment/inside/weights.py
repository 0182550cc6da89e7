"""Other weights for a while: the model's own are never touched."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from the_experiment.base.seeds import Stream
from the_experiment.inside.taps import NeverFiredError

Weights = Mapping[str, Tensor]  # by the parameter's name


def kept_shares(named: Weights, share: float, seed: int) -> dict[str, Tensor]:
    """Which `share` of all weights is chosen: a mask for each parameter that has one of them."""
    sizes = [values.numel() for values in named.values()]
    chosen = torch.zeros(sum(sizes), dtype=torch.bool)
    order = Stream(seed, "weights").shuffled(len(chosen))
    chosen[torch.from_numpy(order[: round(share * len(chosen))])] = True
    masks = zip(named.items(), chosen.split(sizes), strict=True)
    return {name: mask.view(values.shape) for (name, values), mask in masks if mask.any()}


@contextmanager
def other_weights(model: nn.Module, weights: Weights, first: int = 0) -> Iterator[None]:
    """Within the block these weights are used from position `first` on.

    Each module that holds one of them has a twin with the other weights, whose output takes its
    place. A parameter that several modules share is changed in all of them. Raises
    `NeverFiredError` at the end where such a module never ran.
    """
    named = dict(model.named_parameters())
    unknown = [name for name in weights if name not in named]
    if unknown:
        raise KeyError(f"no parameter is called {unknown[0]!r}")
    new = {id(named[name]): values for name, values in weights.items()}
    fired: dict[str, bool] = {}
    with ExitStack() as stack:
        for path, module in list(model.named_modules()):
            changed = {
                name: new[id(parameter)]
                for name, parameter in module.named_parameters(recurse=False)
                if id(parameter) in new
            }
            if changed:
                fired[path] = False
                hook = _Replacing(_twin(module, changed), first, path, fired)
                stack.callback(module.register_forward_hook(hook, with_kwargs=True).remove)
        yield
    silent = [path for path, done in fired.items() if not done]
    if silent:
        raise NeverFiredError(f"never came by: {', '.join(silent)}")


def _twin(module: nn.Module, changed: Mapping[str, Tensor]) -> nn.Module:
    twin = copy.deepcopy(module)
    for hooks in (twin._forward_hooks, twin._forward_pre_hooks):
        hooks.clear()
    for name, values in changed.items():
        setattr(twin, name, nn.Parameter(values, requires_grad=False))
    return twin


class _Replacing:
    """A hook that gives the twin's output from position `first` on."""

    def __init__(self, twin: nn.Module, first: int, path: str, fired: dict[str, bool]) -> None:
        self._twin, self._first, self._path, self._fired = twin, first, path, fired

    def __call__(
        self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], output: Any
    ) -> Any:
        self._fired[self._path] = True
        if isinstance(module, nn.LSTM):
            return self._states(module, *given, **named)
        other = self._twin(*given, **named)
        along = -1 if isinstance(module, nn.Conv1d) else 1  # the dimension of positions
        length = output.shape[along]
        first = min(self._first, length)
        before, after = output.narrow(along, 0, first), other.narrow(along, first, length - first)
        return torch.cat([before, after], along)

    def _states(self, lstm: nn.LSTM, sequence: Tensor) -> Any:
        """The LSTM up to `first`, then its twin, which goes on from that state."""
        if self._first == 0:
            return self._twin(sequence)
        with torch.no_grad():
            before, state = nn.LSTM.forward(lstm, sequence[:, : self._first])
        if self._first >= sequence.shape[1]:
            return before, state
        after, state = self._twin(sequence[:, self._first :], state)
        return torch.cat([before, after], 1), state
