"""Files that recorded steps write: what may be replayed over what lies on disk, and put back (DESIGN §4, Files).

The rule: the replay of a step that wrote files leaves them on disk as the step did, whatever later steps made of
them since, so that whoever comes next, recorded or not, reads what it would have read. Only content that some
recorded step left, and that is kept, is ever replaced; other content is a change, and the step runs.
A step that only *read* a file replays over what later steps made of it, until something in this process wrote it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.store.kept import append_content, put_content
from durable_nb.values.dependencies import changed, relative
from durable_nb.values.files import watched_by
from durable_nb.values.written import NOT_THERE, WrittenFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.store.ledger import Ledger
    from durable_nb.store.records import StepRecord
    from durable_nb.values.dependencies import FileDependency

PART = "left"
"""The key in a row's ``extra`` that holds the files."""


def written_by(record: StepRecord) -> tuple[WrittenFile, ...]:
    """Return the files that a recorded step wrote, as it left them."""
    return tuple(WrittenFile(*each) for each in (record.extra or {}).get(PART, ()))


class WrittenFiles:
    """Knows what recorded steps left on disk, and what this process has written or put back since it began.

    Args:
        ledger: holds the rows and the kept contents.
        root: what recorded paths are relative to.
    """

    def __init__(self, ledger: Ledger, root: Path) -> None:
        self.root = root
        self._ledger = ledger
        self._touched: set[str] = set()
        self._left: dict[str, list[tuple[int, WrittenFile]]] | None = None
        self._lock = threading.Lock()

    # -- what happens

    def overwriting(self, full: str) -> None:
        """Keep the content of a file at an absolute path that is about to be lost, if a recorded step left it."""
        path = Path(full)
        if path.is_file() and self._is_known(relative(full, self.root)):
            self._ledger.kept.keep(path)

    def touch(self, paths: Iterable[str]) -> None:
        """Remember recorded paths that were written by this process."""
        self._touched.update(paths)

    def committed(self, record: StepRecord) -> None:
        """Take in a step that is on disk."""
        if self._left is not None:  # else it is read with the others
            for each in written_by(record):
                self._left.setdefault(each.path, []).append((record.id, each))

    # -- may it replay?

    def why_changed(self, record: StepRecord, reads: Iterable[FileDependency]) -> str | None:
        """Return why a row no longer stands for a run as far as files go, or None. Nothing is changed.

        Args:
            record: the whole row.
            reads: its files.
        """
        with watched_by(()):  # what looking opens and lists itself does not count
            return self._why_read(record, reads) or self._why_written(record)

    def _why_read(self, record: StepRecord, reads: Iterable[FileDependency]) -> str | None:
        for read in reads:
            why = changed(read, self.root, lambda full: self._is_later(full, record.id, made=True))
            if why and not (read.kind in ("file", "missing") and self._is_later(self._full(read.path), record.id)):
                return why
        return None

    def _why_written(self, record: StepRecord) -> str | None:
        return next((why for each in written_by(record) if (why := self._why_not_as_left(each))), None)

    def _is_later(self, full: str, row: int, *, made: bool = False) -> bool:
        """Say whether a file is as this or a later step left it before this process: not a change for the row."""
        path = relative(full, self.root)
        if path in self._touched:
            return False
        return any(
            number >= row and each.kind != "missing" and (each.before == NOT_THERE or not made)
            for number, each in self._left_on_disk(path)
        )

    def _why_not_as_left(self, left: WrittenFile) -> str | None:
        full = self._full(left.path)
        if left.holds(full) or self._can_put_back(left, full):
            return None
        if left.kind == "appended":
            return f"{left.path} does not hold what it appended"
        if left.kind == "missing":
            return f"{left.path}, which it removed, is there"
        return f"{left.path}, which it wrote, {'changed' if os.path.exists(full) else 'is gone'}"  # noqa: PTH110

    def _can_put_back(self, left: WrittenFile, full: str) -> bool:
        path = Path(full)
        if left.kind == "folder":
            return False
        if left.kind == "missing":
            return self._may_replace(left.path)
        if self._ledger.kept.find(path, left.start, left.size, left.digest) is None:
            return False
        if left.kind == "appended":
            return (path.stat().st_size if path.exists() else 0) == left.start
        return not path.exists() or self._may_replace(left.path)

    def _may_replace(self, path: str) -> bool:
        return Path(self._full(path)).is_file() and self._is_known(path)

    # -- what a replay does

    def put_back(self, record: StepRecord) -> None:
        """Leave the files on disk as a row says that its step left them.

        Raises:
            OSError: a file cannot be read or written, or is not kept any more.
        """
        with watched_by(()):
            self._put_all_back(record)

    def _put_all_back(self, record: StepRecord) -> None:
        for left in written_by(record):
            full = self._full(left.path)
            if not left.holds(full):
                self._put_back(left, Path(full))
                self._touched.add(left.path)
            elif left.kind != "appended" or Path(full).stat().st_size == left.size:
                self._touched.add(left.path)

    def _put_back(self, left: WrittenFile, path: Path) -> None:
        kept = self._ledger.kept
        if path.exists() and left.kind != "appended" and not kept.keep(path):
            raise OSError(f"{left.path} is too large to be kept")
        if left.kind == "missing":
            path.unlink()
            return
        source = kept.find(path, left.start, left.size, left.digest)
        if source is None:
            raise OSError(f"{left.path} is not kept any more")
        if left.kind == "appended":
            append_content(source, left.start, left.size, path, left.mtime_ns)
        else:
            put_content(source, left.size, path, left.mtime_ns)

    # -- what is known

    def _full(self, path: str) -> str:
        return os.path.normpath(self.root / path)

    def _is_known(self, path: str) -> bool:
        """Say whether what lies at a recorded path is exactly what some recorded step left there."""
        return any(each.kind != "missing" for _, each in self._left_on_disk(path))

    def _left_on_disk(self, path: str) -> list[tuple[int, WrittenFile]]:
        """Return the rows' ids and files of a path that nobody wrote since."""
        full = self._full(path)
        return [(row, each) for row, each in self._known().get(path, ()) if each.is_untouched(full)]

    def _known(self) -> dict[str, list[tuple[int, WrittenFile]]]:
        with self._lock:
            if self._left is None:
                self._left = {}
                for record in self._ledger.steps_with(PART):
                    for each in written_by(record):
                        self._left.setdefault(each.path, []).append((record.id, each))
            return self._left
