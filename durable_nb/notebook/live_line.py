"""A line at the bottom of a terminal that changes in place and makes way for whatever else is written."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Any

from durable_nb.notebook.spans import cut

if TYPE_CHECKING:
    from collections.abc import Callable

_CLEAR = "\r\x1b[2K"


class Screen:
    """The terminal behind ``sys.stderr``, of which one line may be live.

    What Python code writes to ``sys.stdout`` and ``sys.stderr`` between ``open`` and ``close`` clears the
    live line first; it is drawn again at its next update. What child processes write is not seen.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._live = False
        self._at_line_start = True
        self._undo: list[tuple[Any, Any]] = []

    @property
    def is_terminal(self) -> bool:
        """Whether ``sys.stderr`` is a terminal that understands control sequences."""
        try:
            return bool(sys.stderr.isatty()) and os.environ.get("TERM") != "dumb"
        except (AttributeError, ValueError):  # none, or closed
            return False

    @property
    def open_now(self) -> bool:
        """Whether a line can be live."""
        return bool(self._undo)

    def open(self) -> None:
        """Follow what is written from now on."""
        if self._undo or not self.is_terminal:
            return
        self._at_line_start = True
        for stream in {id(each): each for each in (sys.stdout, sys.stderr)}.values():
            write = stream.write
            stream.write = self._watched(write)  # type: ignore[method-assign]
            self._undo.append((stream, write))

    def close(self) -> None:
        """Clear the line, and follow no more."""
        self.clear()
        while self._undo:
            stream, write = self._undo.pop()
            stream.write = write

    def _watched(self, write: Callable[[str], int]) -> Callable[[str], int]:
        def write_after_clearing(text: str) -> int:
            with self._lock:
                if self._live:
                    self.clear()
                if text:
                    self._at_line_start = text.endswith("\n")
                return write(text)

        return write_after_clearing

    def draw(self, text: str) -> None:
        """Put a line in place of the one before; one that is too long is cut."""
        with self._lock:
            if not self._undo:
                return
            self._flush()
            before = _CLEAR if self._live else ("" if self._at_line_start else "\n")
            self._live = True
            self._write(before + cut(text, shutil.get_terminal_size().columns - 1))

    def clear(self) -> None:
        """Take the live line away."""
        with self._lock:
            if self._live:
                self._live, self._at_line_start = False, True
                self._write(_CLEAR)

    def make_way(self) -> None:
        """Take the live line away, and begin a new line for what follows."""
        with self._lock:
            self.clear()
            self._flush()
            if self._undo and not self._at_line_start:
                self._at_line_start = True
                self._write("\n")

    def _flush(self) -> None:
        """Let what was written before come first: the streams have buffers of their own."""
        for stream, _ in self._undo:
            stream.flush()

    def _write(self, text: str) -> None:
        stream, write = self._undo[-1]
        write(text)
        stream.flush()


class LiveLine:
    """A line of the extension's own on a screen."""

    live = True

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def update(self, text: str, html: str | None = None) -> None:  # noqa: ARG002 - no page here
        """Show another text in its place."""
        self._screen.draw(text)
