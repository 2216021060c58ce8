"""What ■ (SIGINT) does to code of the main thread: raise at once, be noted, be held back, or end a wait."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], Any] | int


class interruptible:  # noqa: N801 - read as a verb: ``with interruptible():``
    """Lets Ctrl-C raise KeyboardInterrupt in the synchronous code of the ``with`` block.

    Inside an async cell ipykernel's own handler only asks the event loop to cancel, which code that
    keeps the loop busy never notices. Off the main thread it does nothing.
    """

    def __init__(self) -> None:
        self._before: Handler | None = None

    def __enter__(self) -> Self:
        """Install Python's own handler."""
        if threading.current_thread() is threading.main_thread():
            # None: a handler that Python did not install and could not put back
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is not None:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Put the handler of before back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


@contextmanager
def keyboard_interrupts() -> Iterator[None]:
    """Have ■ raise KeyboardInterrupt in an async block, at an ``await`` too, where ipykernel cancels the cell."""
    with _noted_interrupts() as interrupts:
        try:
            yield
        except asyncio.CancelledError as error:
            if not interrupts:
                raise
            raise KeyboardInterrupt().with_traceback(error.__traceback__) from None


@contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Yield a list that gets an entry per SIGINT; the handler of before is called as ever.

    It also wakes the event loop: ipykernel's handler leaves a callback in it, which a loop that sleeps
    in an ``await`` would find only when something else wakes it (ipykernel 7.4).
    """
    seen: list[int] = []
    before = _handler()
    if before is None:
        yield seen
        return
    wake = _waker()

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        try:
            before(number, frame)
        finally:
            wake()

    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def _waker() -> Callable[[], object]:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # another library's loop, after ``%autoawait trio``
        return lambda: None
    return lambda: loop.call_soon_threadsafe(lambda: None)


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Let the ``with`` block end before an interrupt takes effect, so that nothing in its hands is lost."""
    before = _handler()
    if before is None:
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            before(*held[0])


@contextmanager
def cancelling_interrupts() -> Iterator[None]:
    """Let ■ end a block that keeps the event loop of an async cell busy, as it ends the cell's awaits.

    There ipykernel's handler only asks the loop to cancel the cell. KeyboardInterrupt would be wrong: raised in
    a task other than the cell's, such as one of ``asyncio.gather``, it ends the loop and the kernel with it.
    Elsewhere the handler in place raises by itself and is left alone.

    Raises:
        CancelledError: ■ was pressed in an async cell.
    """
    before = _handler()
    if before is None or not _asks_the_loop(before):
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        before(number, frame)
        raise asyncio.CancelledError

    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _handler() -> Callable[[int, FrameType | None], Any] | None:
    """Return the handler in place, if it is Python's to replace from here."""
    handler = signal.getsignal(signal.SIGINT)
    return handler if callable(handler) and threading.current_thread() is threading.main_thread() else None


def _asks_the_loop(handler: object) -> bool:
    module = getattr(handler, "__module__", None) or ""
    return module == __name__ or module.partition(".")[0] == "ipykernel"
