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
    from collections.abc import Iterable, Mapping, Sequence

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
        self._reader = _reader(os.getpid())
        self._pipes = [_Pipe(descriptor, stream) for descriptor, stream in streams.items()]
        self._reader.watch(self._pipes)

    def close(self) -> None:
        """Give the descriptors back, after showing all that was written to them."""
        self._reader.leave(self._pipes)
        for pipe in self._pipes:
            pipe.give_back()
            pipe.show_waiting()
            if pipe.ended:
                os.close(pipe.reader)
        self._reader.watch([pipe for pipe in self._pipes if not pipe.ended])


class _Reader:
    """The thread that shows what arrives meanwhile, one for all cells: it sleeps where nothing does."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, pipes: Sequence[_Pipe]) -> None:
        """Show what arrives in pipes from now on; where there never are any, there is no thread."""
        with self._lock:
            for pipe in pipes:
                self._selector.register(pipe.reader, selectors.EVENT_READ, pipe)
            if pipes and self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="durable_nb output", daemon=True)
                self._thread.start()

    def leave(self, pipes: Iterable[_Pipe]) -> None:
        """Leave pipes to whoever calls; what the thread has read of them is shown."""
        with self._lock:
            for pipe in pipes:
                if not pipe.ended:
                    self._selector.unregister(pipe.reader)

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                with self._lock:
                    if self._selector.get_map().get(key.fd) is key:  # not left since
                        key.data.show_waiting()
                        if key.data.ended:
                            self._selector.unregister(key.fd)
                            os.close(key.fd)


@cache
def _reader(pid: int) -> _Reader:
    """Return the reader of a process: a forked child has none of its parent's threads."""
    del pid
    return _Reader()


class _Pipe:
    """Stands in for one descriptor."""

    def __init__(self, descriptor: int, stream: Stream) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.ended = False
        self._descriptor, self._stream = descriptor, stream
        self._before = os.dup(descriptor)
        self._identity = _identity(writer)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.dup2(writer, descriptor)
        os.close(writer)

    def give_back(self) -> None:
        # When the cell has put something else there for good, that stays.
        if _identity(self._descriptor) == self._identity:
            os.dup2(self._before, self._descriptor)
        os.close(self._before)

    def show_waiting(self) -> None:
        while not self.ended:
            try:
                data = os.read(self.reader, _CHUNK_BYTES)
            except BlockingIOError:
                return
            self.ended = not data
            text = self._decoder.decode(data, final=self.ended)
            if text:
                self._stream.write(text)
            with suppress(OSError):  # the process's own output may be closed; ipykernel writes there too
                os.write(self._stream.fileno(), data)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
