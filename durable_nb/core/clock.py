"""Time: the one seam through which durable_nb reads it and waits for it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Literal, Protocol

Verdict = Literal["elapsed", "retry", "stop"]
"""How a wait ended: by itself, by *Retry now*, or by *Stop retrying*."""


class Wake:
    """Ends one wait early, from any thread: the only thing that displays send back to the engine."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._listeners: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()
        self.verdict: Verdict = "elapsed"

    def retry_now(self) -> None:
        """Make the next attempt at once."""
        self._end("retry")

    def stop(self) -> None:
        """Stop retrying: the step ends with the error of its last attempt."""
        self._end("stop")

    def _end(self, verdict: Verdict) -> None:
        with self._lock:
            if self._event.is_set():
                return
            self.verdict = verdict
            self._event.set()
            listeners = list(self._listeners)
        for loop, event in listeners:
            loop.call_soon_threadsafe(event.set)

    def wait(self, seconds: float) -> Verdict:
        """Block for at most ``seconds``; return how the wait ended."""
        self._event.wait(seconds)
        return self.verdict

    async def wait_async(self, seconds: float) -> Verdict:
        """Do the same without blocking the event loop."""
        event = asyncio.Event()
        with self._lock:
            self._listeners.append((asyncio.get_running_loop(), event))
            if self._event.is_set():
                event.set()
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            pass  # the wait ran its course, which is what "elapsed" says
        finally:
            with self._lock:
                self._listeners = [pair for pair in self._listeners if pair[1] is not event]
        return self.verdict


class Clock(Protocol):
    """Where the engine gets the time from."""

    def now(self) -> float:
        """Return the time in Unix seconds."""

    def wait(self, seconds: float, wake: Wake) -> Verdict:
        """Block for ``seconds`` unless ``wake`` ends it earlier."""

    async def wait_async(self, seconds: float, wake: Wake) -> Verdict:
        """Wait for ``seconds`` without blocking the event loop."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return time.time()

    def wait(self, seconds: float, wake: Wake) -> Verdict:
        """Block for ``seconds`` unless ``wake`` ends it earlier."""
        return wake.wait(seconds)

    async def wait_async(self, seconds: float, wake: Wake) -> Verdict:
        """Wait for ``seconds`` without blocking the event loop."""
        return await wake.wait_async(seconds)
