"""The clock of a notebook: while a step waits for its next attempt, clicks and ■ get through."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from durable_nb.core.clock import SystemClock
from durable_nb.notebook.interrupts import cancelling_interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from durable_nb.core.clock import Verdict, Wake
    from durable_nb.notebook.clicks import Clicks

TICK_SECONDS: Final = 0.05
"""How often clicks are looked for: soon enough to feel immediate, and at no cost that can be measured."""


class KernelClock(SystemClock):
    """The machine's clock, whose waits on the main thread hand on clicks and end at once with ■."""

    def __init__(self, clicks: Clicks) -> None:
        self._clicks = clicks
        self._async_waits = 0
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, seconds: float, wake: Wake) -> Verdict:
        """Block for ``seconds`` unless ``wake`` ends it earlier."""
        if threading.current_thread() is not threading.main_thread():
            return super().wait(seconds, wake)
        end = time.monotonic() + seconds
        with cancelling_interrupts():
            while wake.wait(min(TICK_SECONDS, max(0.0, end - time.monotonic()))) == "elapsed":
                if time.monotonic() >= end:
                    break
                self._clicks.deliver()
        return wake.verdict

    async def wait_async(self, seconds: float, wake: Wake) -> Verdict:
        """Wait for ``seconds`` without blocking the event loop."""
        if threading.current_thread() is not threading.main_thread():
            return await super().wait_async(seconds, wake)
        with self._ticking():
            return await super().wait_async(seconds, wake)

    @contextmanager
    def _ticking(self) -> Iterator[None]:
        """Tick as long as anything waits: one timer, however many calls wait at a time."""
        self._async_waits += 1
        if self._async_waits == 1:
            self._tick()
        try:
            yield
        finally:
            self._async_waits -= 1
            if not self._async_waits and self._timer is not None:
                self._timer.cancel()

    def _tick(self) -> None:
        """Hand on clicks where the event loop does not, and wake it: asleep, it does not notice ■ (ipykernel 7.4)."""
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        if self._clicks.wait_for_async_cells:
            self._clicks.deliver()
