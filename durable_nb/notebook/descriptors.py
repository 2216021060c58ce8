"""What C code and child processes write to file descriptors 1 and 2, read without losing a byte."""

from __future__ import annotations

import codecs
import os
import selectors
import threading
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK_BYTES = 1 << 16


class Stream(Protocol):
    """ipykernel's stand-in for ``sys.stdout``: shows text, and knows the descriptor of the real one."""

    def write(self, text: str, /) -> int | None:
        """Show text in the notebook."""

    def fileno(self) -> int:
        """Return a descriptor of the kernel process's own output."""


class Descriptors:
    """Takes the descriptors over from ipykernel's reader threads while it is open.

    ipykernel reads a pipe behind descriptors 1 and 2 in a thread of its own, and nothing tells when it
    has passed on what it read; one could only wait. Here a pipe of ours takes its place, and ``close()``
    itself reads what is left in it, so that everything written before is on display when it returns.
    Where a child still holds the pipe then, its output is shown for as long as it lives.
    """

    def __init__(self, streams: Mapping[int, Stream]) -> None:
        reader = _reader(os.getpid())
        self._taken = [_Taken(reader.pipe(stream), descriptor) for descriptor, stream in streams.items()]

    def close(self) -> None:
        """Give the descriptors back, after showing all that was written to them."""
        for each in self._taken:
            each.give_back()


class _Reader:
    """The thread that shows what arrives meanwhile, one for all cells: it sleeps where nothing does."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._pipes: dict[int, _Pipe] = {}
        self._lock = threading.Lock()

    def pipe(self, stream: Stream) -> _Pipe:
        """Return the pipe whose text a stream shows; where there never is any, there is no thread."""
        with self._lock:
            known = self._pipes.get(id(stream))
            if known is None:
                known = self._pipes[id(stream)] = _Pipe(stream)  # which keeps the stream
                self._selector.register(known.reader, selectors.EVENT_READ, known)
                if len(self._pipes) == 1:
                    threading.Thread(target=self._serve, name="durable_nb output", daemon=True).start()
            return known

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                key.data.show_waiting()


@cache
def _reader(pid: int) -> _Reader:
    """Return the reader of a process: a forked child has none of its parent's threads."""
    del pid
    return _Reader()


class _Pipe:
    """A pipe whose text a stream shows; kept for all cells, as to make one takes as long as to run a small cell."""

    def __init__(self, stream: Stream) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.identity = _identity(self.writer)
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lock = threading.Lock()

    def show_waiting(self) -> None:
        """Show what was written; when it returns, whoever read it, it is shown."""
        with self._lock:
            while True:
                try:
                    data = os.read(self.reader, _CHUNK_BYTES)
                except BlockingIOError:
                    return
                text = self._decoder.decode(data)
                if text:
                    self._stream.write(text)
                with suppress(OSError):  # the process's own output may be closed; ipykernel writes there too
                    os.write(self._stream.fileno(), data)


class _Taken:
    """A descriptor for which a pipe stands in."""

    def __init__(self, pipe: _Pipe, descriptor: int) -> None:
        self._pipe, self._descriptor = pipe, descriptor
        self._before = os.dup(descriptor)
        os.dup2(pipe.writer, descriptor)

    def give_back(self) -> None:
        # When the cell has put something else there for good, that stays.
        if _identity(self._descriptor) == self._pipe.identity:
            os.dup2(self._before, self._descriptor)
        os.close(self._before)
        self._pipe.show_waiting()


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
