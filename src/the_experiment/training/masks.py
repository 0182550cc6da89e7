"""Dropout masks, all those of a step from one draw of integers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

LEVELS = 2**16  # of the integers that decide what is dropped


class Masks:
    """Hands out masks of one rate: several times as fast as a draw for each.

    Which numbers a step gets depends on torch's global random state alone.
    """

    def __init__(self, rate: float) -> None:
        kept = round(LEVELS * (1 - rate))
        self._last_kept = kept - 1 - LEVELS // 2
        self._scale = LEVELS / kept
        self._taken = 0
        self.start()

    def start(self) -> None:
        """Begin a step: draw at once what the last one took."""
        self._bits = np.random.SFC64(int(torch.randint(2**62, ())))
        self._ready, self._taken = self._draw(self._taken), 0

    def take(self, shape: Sequence[int]) -> Tensor:
        """The next mask: 0 with probability `rate`, else 1 / (1 - rate)."""
        first, count = self._taken, prod(shape)
        self._taken += count + -count % 4
        if self._taken > len(self._ready):  # a step larger than the last one
            self._ready = torch.cat([self._ready, self._draw(self._taken - len(self._ready))])
        return self._ready[first : first + count].view(*shape)

    def _draw(self, count: int) -> Tensor:
        # Four 16-bit integers from each 64-bit one: a quarter of the time of `bernoulli_`. They
        # become floats first, since torch is slow at comparisons that make booleans.
        integers = torch.from_numpy(self._bits.random_raw(count // 4).view(np.int16))
        return integers.float().le_(self._last_kept).mul_(self._scale)


class LeanDropout(nn.Module):
    """Stands in for `nn.Dropout`."""

    def __init__(self, p: float, masks: Masks) -> None:
        super().__init__()
        self.p = p
        self._masks = masks

    def forward(self, hidden: Tensor) -> Tensor:
        """Any shape to the same."""
        return hidden * self._masks.take(hidden.shape) if self.training else hidden
