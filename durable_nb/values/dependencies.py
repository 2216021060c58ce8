"""A file, folder or pattern that a step read, as it was then, and whether it still is so."""

# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH113, PTH116, PTH118, PTH123, PTH206, PTH207, PTH208
# These run inside audit events and for every file: strings are several times cheaper than paths,
# and abspath, unlike resolve, does not touch the disk.

from __future__ import annotations

import functools
import glob
import json
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import xxhash

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

Kind = Literal["file", "missing", "listing", "glob"]

_CHUNK = 1 << 20
# Some file systems round times to two seconds: a younger mtime does not prove that nothing changed.
_FRESH_NS = 2_000_000_000
MAX_NAMED = 1000
_MAX_PATH = 4096
# Folders and files that come and go on their own, and say nothing about the data.
JUNK = frozenset({".durable_nb", ".ipynb_checkpoints", "__pycache__", ".git", ".DS_Store"})


@dataclass(frozen=True, slots=True)
class FileDependency:
    """What a step read from the file system.

    Attributes:
        path: relative to the notebook's folder (with ``/``) where below it, else absolute; the
            pattern for a glob.
        kind: ``file``; ``missing`` (looked for and not there); ``listing`` of a folder's names;
            ``glob``, the paths that a pattern matches.
        size: bytes of a file, number of names of a listing or a glob.
        mtime_ns: time of last change, nanoseconds; 0 when it cannot stand for the content.
        digest: hex xxh3-128 of the content or of the sorted names; "" when unknown, which equals
            nothing. Where names do not count, a JSON list of the digest and these names.
    """

    path: str
    kind: Kind
    size: int = 0
    mtime_ns: int = 0
    digest: str = ""

    @property
    def changed_while_running(self) -> bool:
        """Whether somebody else changed the file while the step ran: it then equals nothing."""
        return self.kind == "file" and not self.digest

    @property
    def ignore(self) -> tuple[str, ...]:
        """Names of a listing, or matches of a glob, that do not count: the step's own writes."""
        return tuple(json.loads(self.digest)[1:]) if self.digest.startswith("[") else ()


def relative(path: str, root: str | os.PathLike[str]) -> str:
    """Return an absolute path as it is recorded: relative to the root where below it."""
    prefix = os.path.join(root, "")
    if os.path.join(path, "") == prefix:
        return "."
    return path[len(prefix) :].replace(os.sep, "/") if path.startswith(prefix) else path


def observe(
    path: str | os.PathLike[str],
    kind: Kind | None = None,
    root: str | os.PathLike[str] = ".",
    ignore: Collection[str] = (),
) -> FileDependency:
    """Look at a file, folder or pattern as it is now.

    Args:
        path: absolute, or relative to ``root``.
        kind: how to look; found out when not given. What is not there comes back as ``missing``.
        root: the notebook's folder.
        ignore: names or matches that do not count.

    Raises:
        OSError: the file is there and cannot be read.
    """
    base = os.path.abspath(root)
    full = os.path.normpath(os.path.join(base, path))
    name = relative(full, base)
    kind = kind or _kind(full)
    try:
        if kind == "listing":
            return from_names(name, kind, listed(full), ignore)
        if kind == "glob":
            return from_names(name, kind, matches(full, base), ignore)
        return from_stat(name, os.stat(full), content_digest(full))
    except (FileNotFoundError, NotADirectoryError):
        return FileDependency(name, "missing")


def _kind(path: str) -> Kind:
    if os.path.isdir(path):
        return "listing"
    return "glob" if glob.has_magic(path) and not os.path.exists(path) else "file"


def from_stat(name: str, seen: os.stat_result, digest: str) -> FileDependency:
    """Make a dependency on a file that was seen so."""
    fresh = time.time_ns() - seen.st_mtime_ns < _FRESH_NS
    return FileDependency(name, "file", seen.st_size, 0 if fresh else seen.st_mtime_ns, digest)


def from_names(name: str, kind: Kind, names: Iterable[str], ignore: Collection[str]) -> FileDependency:
    """Make a dependency on the names that a folder or a pattern had."""
    counted = sorted(set(names) - set(ignore))
    digest = xxhash.xxh3_128("\0".join(counted).encode(errors="surrogateescape")).hexdigest()
    if ignore:
        digest = json.dumps([digest, *sorted(ignore)])
    return FileDependency(name, kind, len(counted), 0, digest)


def changed(
    dependency: FileDependency, root: str | os.PathLike[str], ignore: Callable[[str], bool] | None = None
) -> str | None:
    """Say how a dependency differs from what it was, or None.

    Size and time are compared first, the content only when the time differs: a file rewritten with
    equal content has not changed.

    Args:
        dependency: as it was.
        root: the notebook's folder.
        ignore: says of an absolute path in a listing or a glob whether it does not count.
    """
    name = dependency.path
    full = os.path.normpath(os.path.join(root, name))
    if dependency.kind == "missing":
        return f"{name} appeared" if os.path.exists(full) else None
    try:
        if dependency.kind == "file":
            return _file_changed(dependency, full)
        now = observe(full, dependency.kind, root, dependency.ignore)
        if ignore is not None and now.digest != dependency.digest and now.kind != "missing":
            now = _without(full, now, root, ignore)
    except OSError as error:
        return f"{name} cannot be read: {error.strerror or error}"
    if now.kind == "missing":
        return f"{name} is gone"
    if now.digest == dependency.digest:
        return None
    what = "folder" if dependency.kind == "listing" else "pattern"
    return f"{what} {name} has other files ({dependency.size} → {now.size})"


def _without(
    full: str, now: FileDependency, root: str | os.PathLike[str], ignore: Callable[[str], bool]
) -> FileDependency:
    """Look at a listing or a glob again, as if the paths that do not count were not there."""
    if now.kind == "listing":
        names = tuple(name for name in listed(full) if not ignore(os.path.join(full, name)))
    else:
        names = tuple(relative(path, root) for path in matched(full) if not ignore(path))
    return from_names(now.path, now.kind, names, now.ignore)


def _file_changed(dependency: FileDependency, full: str) -> str | None:
    name = dependency.path
    try:
        now = os.stat(full)
    except (FileNotFoundError, NotADirectoryError):
        return f"{name} is gone"
    if now.st_size != dependency.size:
        return f"{name} changed (size {dependency.size} → {now.st_size} bytes)"
    if dependency.mtime_ns == now.st_mtime_ns and dependency.digest:
        return None
    if not dependency.digest:
        return f"{name} changed while the step ran"
    return None if content_digest(full) == dependency.digest else f"{name} changed (same size)"


def file_digest(path: str, start: int = 0, stop: int | None = None) -> str:
    """Return the hex xxh3-128 of a file's content, or of its bytes from ``start`` to ``stop``, read by the MiB."""
    digest = xxhash.xxh3_128()
    left = sys.maxsize if stop is None else stop - start
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def content_digest(path: str) -> str:
    """Return the hex xxh3-128 of a file's content, not read again while its times of long ago stay as they are."""
    now = os.stat(path)
    if time.time_ns() - max(now.st_mtime_ns, now.st_ctime_ns) < _FRESH_NS:
        return file_digest(path)
    return _remembered(path, now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


@functools.lru_cache(maxsize=4096)
def _remembered(path: str, *identity: int) -> str:  # noqa: ARG001 - part of what is remembered
    return file_digest(path)


def listed(folder: str) -> tuple[str, ...]:
    """Return a folder's names, without those that come and go on their own."""
    return tuple(name for name in os.listdir(folder) if not is_junk(name))


def matched(pattern: str) -> list[str]:
    """Return the absolute paths that an absolute pattern matches (``**`` is any depth)."""
    found = glob.iglob(pattern, recursive=True)
    return [path for path in found if not JUNK.intersection(path.split(os.sep))]


def matches(pattern: str, root: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the recorded paths of what an absolute pattern matches."""
    return tuple(relative(path, root) for path in matched(pattern))


def is_junk(name: str) -> bool:
    """Say whether a file or folder of that name never counts."""
    return name in JUNK or name.endswith(".pyc") or name.startswith(".~")


def named_files(values: Iterable[object], root: str | os.PathLike[str]) -> tuple[tuple[str, Kind], ...]:
    """Return the files that strings and paths name: what readers written in C++ may open unseen.

    A folder stands for its listing and the files below it, a pattern for what it matches and the
    matching files, up to 1,000 in all. The working directory, the root and their parents are not
    taken apart: a step that names ``.`` hardly reads all of it. Links and the like are followed.

    Args:
        values: strings and path-likes (others are passed over); relative ones are looked up in the
            working directory, as a reader would.
        root: the notebook's folder.

    Returns:
        Recorded path and kind, without repetition, for ``observe`` or ``FileWatch.note``.
    """
    found: dict[tuple[str, Kind], None] = {}
    base = os.path.abspath(root)
    for value in values:
        for path, kind in _named(value, base):
            found.setdefault((relative(path, base), kind))
    return tuple(found)


def _named(value: object, root: str) -> Iterator[tuple[str, Kind]]:
    path = _as_path(value)
    if path is None:
        return
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        if glob.has_magic(path) and (found := matched(path)):
            yield path, "glob"
            yield from ((match, "file") for match in found[:MAX_NAMED] if os.path.isfile(match))
        return
    if stat.S_ISREG(mode):
        yield path, "file"
    elif stat.S_ISDIR(mode) and not _holds(path, root):
        yield from _below(path)


def _as_path(value: object) -> str | None:
    if not isinstance(value, (str, os.PathLike)):
        return None
    text = os.fspath(value)
    if not isinstance(text, str) or not 0 < len(text) < _MAX_PATH:
        return None
    # A lone * is a marker of a plot or a product, hardly ever everything there is in the current folder.
    if "\n" in text or "\0" in text or "://" in text or not text.strip("*?"):
        return None
    return os.path.abspath(os.path.expanduser(text))


def _holds(folder: str, root: str) -> bool:
    inside = (Path.cwd(), Path(root))
    return any(Path(folder) == path or Path(folder) in path.parents for path in inside)


def _below(folder: str) -> Iterator[tuple[str, Kind]]:
    count = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        yield here, "listing"
        for name in sorted(files):
            if count >= MAX_NAMED:
                return
            if not is_junk(name):
                count += 1
                yield os.path.join(here, name), "file"
