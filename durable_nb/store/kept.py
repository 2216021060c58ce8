"""Copies of files that a step wrote and a later step overwrites, so that a replay can put them back."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import xxhash

from durable_nb.store.location import folder_bytes
from durable_nb.values.dependencies import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger("durable_nb")
LARGEST_BYTES = 256 << 20
MOST_BYTES = 1 << 30
_CHUNK = 1 << 20


class KeptFiles:
    """A folder of file contents, by the path they had and their digest.

    What is lost here costs a step that runs again, never a wrong file: contents are compared before they are used.

    Args:
        folder: made on first use, mode 0700.
        most_bytes: bound on all of them together; the oldest go first.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes

    def keep(self, path: Path) -> bool:
        """Copy a file; says whether its content is kept now. One that is too large is not."""
        try:
            if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
                return False
            name = self._prefix(path) + file_digest(str(path))
            if not (self.folder / name).exists():
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                _copy(path, self.folder / name)
                self._drop_oldest(name)
        except OSError as error:
            _log.warning("%s could not be kept: %s", path, error)
            return False
        return True

    def find(self, path: Path, start: int, stop: int, digest: str) -> Path | None:
        """Return a kept file of this path, or the file itself, whose bytes from start to stop have a digest."""
        for each in (*self._of(path), path):
            try:
                if each.stat().st_size >= stop and file_digest(str(each), start, stop) == digest:
                    return each
            except OSError:  # it is gone, or there never was one
                continue
        return None

    def size_bytes(self) -> int:
        """Return the bytes that all of them take."""
        return folder_bytes(self.folder)

    def _of(self, path: Path) -> list[Path]:
        prefix = self._prefix(path)
        return [each for each in self._all() if each.name.startswith(prefix)]

    def _all(self) -> Iterator[Path]:
        return (each for each in self.folder.glob("*-*") if not each.name.startswith("."))

    def _prefix(self, path: Path) -> str:
        """Return how the names for a path begin: relative, so that a folder may move with its notebook."""
        place = os.path.relpath(path, self.folder.parent)
        return xxhash.xxh3_64_hexdigest(place.encode(errors="surrogateescape")) + "-"

    def _drop_oldest(self, newest: str) -> None:
        by_age = sorted(self._all(), key=lambda each: each.stat().st_ctime_ns)
        excess = sum(each.stat().st_size for each in by_age) - self._most_bytes
        for each in by_age:
            if excess <= 0:
                return
            if each.name != newest:
                excess -= each.stat().st_size
                each.unlink()


def _copy(source: Path, target: Path) -> None:
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".draft-")
    os.close(handle)
    try:
        shutil.copyfile(source, draft)
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def put_content(source: Path, size: int, target: Path, mtime_ns: int) -> None:
    """Replace a file by the first bytes of another, at once for whoever reads it; it keeps its mode.

    Args:
        source: holds the content.
        size: how many bytes of it.
        target: absolute; links are followed.
        mtime_ns: the time of last change that it gets.
    """
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".~durable_nb-")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, source.open("rb") as content:
            _copy_bytes(content, file, size)
        if target.exists():
            shutil.copymode(target, draft)
        else:
            draft.chmod(0o666 & ~_umask())
        os.utime(draft, ns=(mtime_ns, mtime_ns))
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def append_content(source: Path, start: int, stop: int, target: Path, mtime_ns: int) -> None:
    """Append bytes of another file, from ``start`` to ``stop``, and set the time of last change."""
    with source.open("rb") as content, target.open("ab") as file:
        content.seek(start)
        _copy_bytes(content, file, stop - start)
    os.utime(target, ns=(mtime_ns, mtime_ns))


def _copy_bytes(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0 and (chunk := source.read(min(_CHUNK, count))):
        target.write(chunk)
        count -= len(chunk)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
