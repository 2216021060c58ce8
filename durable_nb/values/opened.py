"""Which files below a folder were opened, by whatever means: readers in C++ and child processes raise no audit event.

Linux tells (inotify) which files of a folder are opened, not by whom. So a file counts only when it was not written
meanwhile, and neither code nor notebooks do, which editors and servers read all the time. Elsewhere nothing is told.
"""

# ruff: noqa: PTH118
# Strings for paths, as in dependencies.

from __future__ import annotations

import os
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.files import watched_by

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FOLDERS: Final = 500
_MAX_ENTRIES: Final = 20_000
"""So many names are looked at to find the folders."""
_IN_OPEN, _IN_ISDIR, _IN_ONLYDIR = 0x20, 0x40000000, 0x01000000
_IN_WRITTEN: Final = 0x2 | 0x8 | 0x80 | 0x100
"""Modified, closed after writing, moved there, created."""
_EVENT: Final = struct.Struct("iIII")
_CHUNK: Final = 1 << 20
_NONE, _CLOSED = -2, -3
"""In place of a queue's descriptor; -1 is what Linux says when it gives none."""
_NO_DATA: Final = (".py", ".pyc", ".ipynb", ".lock", ".log", "-wal", "-shm", "-journal", ".wal")


@dataclass(slots=True, eq=False)
class Look:
    """What was opened and what was written, each in order, while somebody looked."""

    opened: dict[str, None] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)


class OpenedFiles:
    """Tells which files below a folder are opened, as long as it is not closed.

    The queue stays open between two looks: to close one makes the kernel wait for some milliseconds.

    Args:
        folder: an absolute path; what is hidden below it does not count.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(folder)
        self._folders: dict[int, str] = {}
        self._looks: list[Look] = []
        self._queue = _NONE
        self._is_new = True
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def begin(self) -> Look:
        """Begin to look."""
        look = Look()
        with self._lock:
            self._drain()
            self._open()
            self._drain()
            self._looks.append(look)
        return look

    def end(self, look: Look) -> list[str]:
        """Return the absolute paths of the files that were opened since, and not written."""
        with self._lock:
            self._drain()
            self._looks.remove(look)
        return [path for path in look.opened if path not in look.written and os.path.isfile(path)]  # noqa: PTH113

    def close(self) -> None:
        """Look no more."""
        with self._lock:  # calls in other threads may look just now
            if self._queue >= 0:
                os.close(self._queue)
            self._queue = _CLOSED

    def _open(self) -> None:
        libc = _libc()
        if os.getpid() != self._pid:
            self._queue = _CLOSED  # a forked child would take the events from its parent
        if libc is None or self._queue < _NONE:
            return
        if self._queue == _NONE:
            self._queue = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._is_new and self._queue >= 0:
            self._is_new = False
            with watched_by(()):  # to look for folders is nothing that a step does
                folders = list(_below(self._folder))
            for folder in folders:
                number = libc.inotify_add_watch(self._queue, os.fsencode(folder), _IN_OPEN | _IN_WRITTEN | _IN_ONLYDIR)
                self._folders[number] = folder

    def _drain(self) -> None:
        for mask, path in self._events():
            for look in self._looks:
                if mask & _IN_OPEN:
                    look.opened[path] = None
                else:
                    look.written.add(path)

    def _events(self) -> Iterator[tuple[int, str]]:
        while chunk := self._read():
            start = 0
            while start < len(chunk):
                number, mask, _, length = _EVENT.unpack_from(chunk, start)
                start += _EVENT.size + length
                name = os.fsdecode(chunk[start - length : start].rstrip(b"\0"))
                if mask & _IN_ISDIR:
                    self._is_new = self._is_new or bool(mask & _IN_WRITTEN)
                elif name and name[0] != "." and not name.endswith(_NO_DATA):
                    yield mask, os.path.join(self._folders[number], name)

    def _read(self) -> bytes:
        with suppress(BlockingIOError):
            return os.read(self._queue, _CHUNK) if self._queue >= 0 else b""
        return b""


@cache
def _libc() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _below(root: str) -> Iterator[str]:
    """Yield a folder and those below it, up to a limit, without hidden ones and virtual environments."""
    pending, entries, count = [root], 0, 0
    while pending and entries < _MAX_ENTRIES and count < MAX_FOLDERS:
        folder = pending.pop(0)
        yield folder
        count += 1
        with suppress(OSError), os.scandir(folder) as found:
            inner = list(found)
            entries += len(inner)
            names = {each.name for each in inner}
            if "pyvenv.cfg" not in names:
                pending += [each.path for each in inner if each.name[0] != "." and each.is_dir(follow_symlinks=False)]
