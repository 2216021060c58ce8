"""Does something soon, however often it is asked for: for displays that follow fast events."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Pace:
    """Calls ``act`` once for all requests of a while, in a thread of its own."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._stopped = False

    def within(self, seconds: float) -> None:
        """Let it happen in ``seconds`` at the latest."""
        with self._lock:
            if self._stopped or (self._timer is not None and self._timer.interval <= seconds):
                return
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(seconds, self._fire)
            self._timer.name, self._timer.daemon = "durable_nb display", True
            self._timer.start()

    def _fire(self) -> None:
        with self._lock:
            if self._timer is not threading.current_thread() or self._stopped:
                return  # another one took its place at the last moment
            self._timer = None
        self._act()

    def stop(self) -> None:
        """Let nothing happen any more."""
        with self._lock:
            self._stopped = True
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
