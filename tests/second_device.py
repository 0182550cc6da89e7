"""A second device without a GPU: its tensors are in this process' memory, and refuse to be mixed.

On a GPU an operation on tensors of two devices fails, and numpy reads none of the GPU's. Neither
shows on a machine that has a CPU alone. Here tensors of a made-up device hold one of the CPU each,
on which every operation is done, once it is sure that nothing else is among what it is given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.utils import _pytree as trees
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

NAME = "elsewhere"
REGISTERED: list[torch.library.Library] = []
WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")
WAITS: list[str] = []  # what made the process wait for the device so far
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")  # take indices of the CPU


class Elsewhere(torch.Tensor):
    """A tensor of that device."""

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> Elsewhere:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device(NAME, 0),
        )

    def __init__(self, here: torch.Tensor) -> None:
        self.here = here

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, _: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        if name in WAITING:
            WAITS.append(name)
        if name == "_to_copy":
            return copied(*args, **kwargs)
        if name in ("copy_", "_copy_from"):
            to, source = args[:2] if name == "copy_" else args[1::-1]
            here(to).copy_(here(source))
            if isinstance(to, Elsewhere) != isinstance(source, Elsewhere):
                WAITS.append(name)
            return to
        if name in INDEXING:
            tensor, indices, *rest = args
            moved = [None if one is None else Elsewhere(here(one)) for one in indices]
            if any(type(one) is torch.Tensor for one in indices):
                WAITS.append(name)
            args = (tensor, moved, *rest)
        return done(func, args, kwargs)

    # What asks for memory gets the CPU's.
    def untyped_storage(self) -> Any:
        return self.here.untyped_storage()

    def storage(self) -> Any:
        return self.here.storage()

    def tolist(self) -> Any:
        return self.here.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"can't convert a tensor of {NAME} to numpy")

    __array__ = numpy  # type: ignore[assignment]

    @property
    def data(self) -> Any:
        return torch.Tensor.data.__get__(self)  # type: ignore[attr-defined]

    @data.setter  # type: ignore[override]
    def data(self, value: Elsewhere) -> None:
        torch.Tensor.data.__set__(self, value)  # type: ignore[attr-defined]
        self.here = value.here


def here(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.here if isinstance(tensor, Elsewhere) else tensor


def done(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The operation on the CPU. Raises `RuntimeError` where a tensor of the CPU is among these."""
    given, shape = trees.tree_flatten((args, kwargs))
    known = {id(one.here): one for one in given if isinstance(one, Elsewhere)}
    for one in given:
        if isinstance(one, torch.Tensor) and not isinstance(one, Elsewhere) and one.dim():
            raise RuntimeError(f"{func} got tensors of {NAME} and of the CPU")
    given = [here(one) if isinstance(one, torch.Tensor) else one for one in given]
    given = [torch.device("cpu") if isinstance(one, torch.device) else one for one in given]
    args, kwargs = trees.tree_unflatten(given, shape)

    def back(value: Any) -> Any:
        if type(value) is not torch.Tensor:
            return value
        return known[id(value)] if id(value) in known else Elsewhere(value)

    return trees.tree_map(back, func(*args, **kwargs))


def copied(tensor: torch.Tensor, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    copy = torch.empty_like(here(tensor), dtype=dtype or tensor.dtype).copy_(here(tensor))
    there = torch.device(device or tensor.device).type == NAME
    if isinstance(tensor, Elsewhere) != there:
        WAITS.append("copy")  # also to the device: what isn't in pinned memory is copied at once
    return Elsewhere(copy) if there else copy


class Backend(_DummyBackendModule):
    """What torch asks of a device's module."""

    def device_count(self) -> int:
        return 1

    def is_available(self) -> bool:
        return True


@cache
def second_device() -> torch.device:
    """The device, which torch knows from now on in this process."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
    library = torch.library.Library("aten", "IMPL")
    library.impl("_to_copy", copied, "PrivateUse1")
    library.impl(
        "empty.memory_format",
        lambda size, dtype=None, **_: Elsewhere(torch.empty(size, dtype=dtype)),
        "PrivateUse1",
    )
    library.impl(
        "empty_strided",
        lambda size, stride, dtype=None, **_: Elsewhere(
            torch.empty_strided(size, stride, dtype=dtype)
        ),
        "PrivateUse1",
    )
    REGISTERED.append(library)  # what it registers goes with it
    return torch.device(f"{NAME}:0")


def use() -> None:
    """Have all models of this process there."""
    from the_experiment.models import loading

    loading.pick_device = lambda *_: second_device()
    # Tensors made in inference mode can't be of a class of ours.
    vars(torch)["inference_mode"] = lambda mode=True: (
        torch.no_grad() if mode else torch.enable_grad()
    )


if __name__ == "__main__":
    use()
    from the_experiment.cli import main

    main(sys.argv[1:])
