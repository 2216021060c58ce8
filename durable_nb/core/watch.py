"""What a call touches besides its arguments: files it reads, random streams it advances."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from durable_nb.core.settings import ProcessChanges
from durable_nb.core.streams import StreamWatch
from durable_nb.values.files import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.core.session import Session
    from durable_nb.values.dependencies import FileDependency, Kind
    from durable_nb.values.written import WrittenFile

    NamedFiles = tuple[tuple[str, Kind], ...]


class Overlap:
    """Knows which calls ran at the same time: what changed meanwhile is nobody's for sure.

    Attributes:
        seeded: says whether code that ran sets random streams.
    """

    def __init__(self, seeded: Callable[[], bool]) -> None:
        self.seeded = seeded
        self._active: set[CallWatch] = set()
        self._alone: CallWatch | None = None  # the one that began while no other ran, and has not been joined yet
        self._lock = threading.Lock()

    def enter(self, watch: CallWatch) -> None:
        """A call begins."""
        with self._lock:
            watch.overlapped = bool(self._active)
            if self._alone is not None:
                self._alone.overlapped = True
            self._alone = None if self._active else watch
            self._active.add(watch)

    def leave(self, watch: CallWatch) -> None:
        """A call is over."""
        with self._lock:
            self._active.discard(watch)
            self._alone = None if self._alone is watch else self._alone


class CallWatch:
    """Watches one attempt of a call or of a cell.

    Args:
        session: the open store.
        overlap: the calls, or the cells, that may run at the same time.
        named: finds the files that count as read because something names them, with how they are read.

    Attributes:
        root: what recorded paths are relative to.
        files: what it read, after the attempt.
        left: the files it wrote, as they were after the attempt.
        advanced: the random streams that advanced, after the attempt.
        process_changes: what changed of the environment and the current folder, as settings, after the attempt.
        problems: why what it read is not fully known, after the attempt.
        overlapped: whether another call of the session ran at the same time.
        outside: whether it did something beyond this process, after the attempt: wrote a file, say, or connected.
        files_now: tells which files it has read so far.
        streams: tells which random streams have advanced so far.
    """

    def __init__(self, session: Session, overlap: Overlap, named: Callable[[], NamedFiles] = tuple) -> None:
        self.root = session.root
        self._session = session
        self._named = named
        ProcessChanges.watch()
        self._overlap = overlap
        self.files_now = FileWatch(session.root, overwriting=session.written.overwriting)
        self.files: tuple[FileDependency, ...] = ()
        self.left: tuple[WrittenFile, ...] = ()
        self.advanced: dict[str, tuple[str, Any]] = {}
        self.problems: list[str] = []
        self.process_changes: dict[str, dict[str, Any]] = {}
        self.overlapped = False
        self.outside = False

    def __enter__(self) -> None:
        """Begin to watch."""
        self._overlap.enter(self)
        self._look = self._session.opened.begin()  # before the watch sees how it looks for folders
        self.files_now.__enter__()
        for path, kind in self._named():
            self.files_now.note(path, kind)
        self._changes = ProcessChanges.made()
        self.streams = StreamWatch()

    def __exit__(self, *exc_info: object) -> None:
        """Gather what was seen."""
        self.advanced = self.streams.advanced(seeded=self._overlap.seeded)
        self.process_changes = ProcessChanges.since(self._changes)
        self.files_now.__exit__(None, None, None)
        self._overlap.leave(self)
        opened = self._session.opened.end(self._look)
        if not self.overlapped:  # else others may have opened or made them
            for path in opened:
                self.files_now.opened_unseen(path)
            self.files_now.note_made(self._named())
        self.files = self.files_now.reads()
        self.left = self.files_now.left()
        self._session.written.touch(each.path for each in self.left)
        self.problems = self.files_now.problems
        self.outside = self.files_now.outside or bool(self.left)
