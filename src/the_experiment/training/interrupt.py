"""Ctrl-C between two steps instead of in the middle of one, so that a checkpoint is exact."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl-C has been pressed."""

    pressed = False

    def press(self, _signal: int, _frame: FrameType | None) -> None:
        """Remember the first Ctrl-C; a second one interrupts at once."""
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def delayed_interrupt() -> Iterator[Interrupt]:
    """Within the block Ctrl-C only sets `pressed`. Threads other than the main one see none."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt.press)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
