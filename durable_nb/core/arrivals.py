"""How an event loop hears of what is on disk: once for all that a commit brought, not once for each waiter."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future


class Arrivals:
    """Waits for futures of other threads in one event loop.

    Args:
        loop: the loop; only code that it runs may wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._done: deque[asyncio.Future[None]] = deque()
        self._told = False

    async def wait(self, future: Future[Any]) -> None:
        """Return once a future is done, however; cancelling the waiter leaves the future alone."""
        waiter = self.loop.create_future()
        future.add_done_callback(lambda _: self._arrive(waiter))
        await waiter

    def _arrive(self, waiter: asyncio.Future[None]) -> None:
        self._done.append(waiter)
        if not self._told:  # else the loop is about to look, and finds this one too
            self._told = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        self._told = False  # before looking: what arrives from now on is told of anew
        while self._done:
            waiter = self._done.popleft()
            if not waiter.done():
                waiter.set_result(None)
