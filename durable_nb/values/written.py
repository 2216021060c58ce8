"""A file that a step wrote, as the step left it, and whether it still is so."""

# ruff: noqa: PTH112, PTH116
# Strings for paths, as in dependencies.

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from durable_nb.values.dependencies import content_digest, file_digest

NOT_THERE = -1


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """What a step left of a file that it wrote, moved or removed.

    Attributes:
        path: relative to the notebook's folder (with ``/``) where below it, else absolute.
        kind: ``file``; ``appended``, of which only what was appended counts; ``missing``, removed;
            ``folder``, made.
        size: bytes of the file.
        mtime_ns: time of last change, nanoseconds.
        digest: hex xxh3-128 of the content, of an appended file from ``before`` on; "" otherwise.
        before: bytes of the file before the step, ``NOT_THERE`` where there was none.
    """

    path: str
    kind: Literal["file", "appended", "missing", "folder"]
    size: int = 0
    mtime_ns: int = 0
    digest: str = ""
    before: int = NOT_THERE

    @property
    def start(self) -> int:
        """Where the content that counts begins."""
        return max(self.before, 0) if self.kind == "appended" else 0

    def holds(self, full: str) -> bool:
        """Say whether the file at an absolute path still is as it was left; more may have been appended to a log."""
        if self.kind == "folder":
            return os.path.isdir(full)
        try:
            now = os.stat(full).st_size
            if self.kind == "file":
                return now == self.size and content_digest(full) == self.digest
            return self.kind == "appended" and now >= self.size and self.has_bytes(full)
        except (FileNotFoundError, NotADirectoryError):
            return self.kind == "missing"

    def has_bytes(self, full: str) -> bool:
        """Say whether a file has, at their place, the bytes that the step wrote; more may follow."""
        return file_digest(full, self.start, self.size) == self.digest

    def is_untouched(self, full: str) -> bool:
        """Say whether nobody wrote the file at an absolute path since the step did: same time, size and bytes."""
        try:
            now = os.stat(full)
        except (FileNotFoundError, NotADirectoryError):
            return self.kind == "missing"
        if self.kind == "folder":
            return os.path.isdir(full)
        return (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns) and self.holds(full)


def written(full: str, name: str, before: int) -> WrittenFile | None:
    """Look at a file that was written or removed; None for one that came and went.

    Args:
        full: its absolute path.
        name: its path as recorded.
        before: its size before, or ``NOT_THERE``.
    """
    try:
        now = os.stat(full)
        if os.path.isdir(full):
            return WrittenFile(name, "folder") if before == NOT_THERE else None
        return WrittenFile(name, "file", now.st_size, now.st_mtime_ns, content_digest(full), before)
    except (FileNotFoundError, NotADirectoryError):
        return WrittenFile(name, "missing", before=before) if before != NOT_THERE else None


def appended(full: str, name: str, before: int) -> WrittenFile | None:
    """Look at a file that was only appended to; None when nothing was appended. Arguments as of ``written``."""
    try:
        now = os.stat(full)
    except (FileNotFoundError, NotADirectoryError):
        return WrittenFile(name, "missing", before=before)
    start = max(before, 0)
    if now.st_size < start or (before == NOT_THERE and now.st_size == 0):
        return written(full, name, before)
    if now.st_size == start:
        return None
    digest = file_digest(full, start, now.st_size)
    return WrittenFile(name, "appended", now.st_size, now.st_mtime_ns, digest, before)
