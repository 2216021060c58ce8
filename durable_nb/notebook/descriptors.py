"""What C code and child processes write to file descriptors 1 and 2, read without losing a byte."""

from __future__ import annotations

import codecs
import os
import selectors
import threading
from contextlib import suppress
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
        self._pipes = [_Pipe(descriptor, stream) for descriptor, stream in streams.items()]
        self._lock = threading.Lock()
        if self._pipes:
            threading.Thread(target=self._serve, name="durable_nb output", daemon=True).start()

    def close(self) -> None:
        """Give the descriptors back, after showing all that was written to them."""
        for pipe in self._pipes:
            pipe.give_back()
        with self._lock:
            for pipe in self._pipes:
                pipe.show_waiting()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                selector.register(pipe.reader, selectors.EVENT_READ, pipe)
            while selector.get_map():
                for key, _ in selector.select():
                    with self._lock:
                        key.data.show_waiting()
                        if key.data.ended:
                            selector.unregister(key.fileobj)
                            os.close(key.data.reader)


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
