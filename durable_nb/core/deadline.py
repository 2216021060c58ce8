"""The time limit of one attempt: a cancellation for async code, an interrupt for sync code."""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from durable_nb.errors import OptionError, StepTimeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import FrameType

T = TypeVar("T")


def check_main_thread(step_name: str) -> None:
    """Refuse to bound sync code where that cannot be done.

    Raises:
        OptionError: outside of the main thread, where Python has no way to interrupt running code.
    """
    if threading.current_thread() is not threading.main_thread():
        raise OptionError("timeout_seconds", f"step {step_name} is sync and not on the main thread: make it async")


def call_within(seconds: float | None, step_name: str, function: Callable[[], T]) -> T:
    """Call a sync function, interrupting it after ``seconds``; None is no bound.

    The function is called from the very frame that catches the interrupt: one that arrives as it returns would
    otherwise escape between two frames.

    Raises:
        StepTimeout: it ran longer and was interrupted.
        OptionError: as ``check_main_thread``.
    """
    if seconds is None:
        return function()
    check_main_thread(step_name)
    alarm = _Alarm(seconds)
    try:
        try:
            alarm.start()
            return function()
        finally:
            alarm.settle()
    except KeyboardInterrupt:
        if not alarm.interrupted:
            raise  # the user's own interrupt
        raise StepTimeout(step_name, seconds) from None
    finally:
        alarm.restore()


class _Alarm:
    """Interrupts the main thread after some seconds, unless it was settled by then.

    Attributes:
        interrupted: whether a KeyboardInterrupt was raised because of it.
    """

    def __init__(self, seconds: float) -> None:
        self.interrupted = False
        self._settled = False
        self._rang = False
        self._lock = threading.Lock()
        self._previous: Any = None
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def start(self) -> None:
        # An event loop's own handler would only cancel a task at its next await, which sync code never reaches.
        self._previous = signal.signal(signal.SIGINT, self._on_interrupt)
        self._timer.start()

    def settle(self) -> None:
        """From now on the alarm interrupts nothing, even if it rang and Python has not noticed yet."""
        with self._lock:
            self._settled = True
        self._timer.cancel()

    def restore(self) -> None:
        """Put the handler of before back; setting one delivers what is pending to ours first."""
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _ring(self) -> None:
        with self._lock:  # so that it has rung, or will not, when settle() returns
            if not self._settled:
                self._rang = True
                _thread.interrupt_main()

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        rang, self._rang = self._rang, False
        if rang and self._settled:
            return
        self.interrupted = rang
        signal.default_int_handler(number, frame)


@asynccontextmanager
async def attempt_deadline_async(seconds: float, step_name: str) -> AsyncIterator[None]:
    """Bound the async ``with`` body to ``seconds``.

    Raises:
        StepTimeout: the body ran longer and was cancelled.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise  # the body's own TimeoutError
        raise StepTimeout(step_name, seconds) from None
