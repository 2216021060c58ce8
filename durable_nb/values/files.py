"""Which files a step reads and writes, seen through Python's audit events.

Readers written in C or C++ that open files on their own raise no event; ``named_files`` finds most
of what they read by name.
"""

# ruff: noqa: PTH100, PTH109, PTH116, PTH118, PTH119, PTH120, PTH206
# Strings for paths, as in dependencies.

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from durable_nb.values import dependencies
from durable_nb.values.audit import listen
from durable_nb.values.contexts import Bound
from durable_nb.values.dependencies import (
    FileDependency,
    Kind,
    changed,
    file_digest,
    named_files,
    observe,
    relative,
)
from durable_nb.values.file_events import EVENTS, OUTSIDE, in_an_import, what_happens
from durable_nb.values.written import NOT_THERE, WrittenFile, appended, written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType

    from durable_nb.values.file_events import Action

__all__ = [
    "FileDependency",
    "FileWatch",
    "Kind",
    "changed",
    "file_digest",
    "named_files",
    "observe",
]

_WATCHES: ContextVar[tuple[FileWatch, ...]] = ContextVar("durable_nb_file_watches", default=())


@functools.cache
def excluded_folders() -> tuple[str, ...]:
    """Return the folders whose files are no data of the user's: interpreter, caches, temp files."""
    import site

    import platformdirs

    home = Path.home()
    folders: list[str | os.PathLike[str]] = [
        *{sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix},
        *site.getsitepackages(),
        site.getusersitepackages(),
        os.path.dirname(os.__file__),
        tempfile.gettempdir(),
        platformdirs.user_cache_path(),
        os.environ.get("XDG_RUNTIME_DIR", ""),
        *(home / name for name in (".cache", ".ipython", ".jupyter", ".matplotlib", ".fonts")),
        *(platformdirs.user_config_path(name) for name in ("matplotlib", "ipython", "jupyter")),
        *(platformdirs.user_data_path(name) for name in ("jupyter", "fonts")),
        *("/proc", "/sys", "/dev", "/usr/share/fonts", "/usr/share/zoneinfo"),
    ]
    known = [folder for folder in folders if folder]
    both = {os.path.abspath(f) for f in known} | {os.path.realpath(f) for f in known}
    return tuple(sorted(os.path.join(f, "") for f in both if len(f) > 1))


def unwatched(path: str) -> None:
    """Take no notice of a path that is about to be overwritten."""


@dataclass(slots=True)
class _Writing:
    """How a path was written: how many bytes it had before, ``NOT_THERE`` without any; whether only by appending."""

    before: int
    appending: bool


class FileWatch:
    """Collects what is read and written while it is entered, by its own thread or task.

    ``with FileWatch(root) as watch: …`` sees this context and those that inherit it (the threads
    and tasks that durable_nb hands its context to). Nested watches each see everything.

    Args:
        root: the notebook's folder; what is below always counts, wherever it lies, unless it lies
            in an excluded folder that is itself below the root (a virtual environment).
        own: files that never count: the notebook itself.
        overwriting: called with an absolute path just before its content is lost.

    Attributes:
        problems: what went wrong while looking; when not empty, what was read is not fully known.
        outside: whether the code wrote any file, whether it counts or not, started a process or made a connection;
            what imports do is done in each kernel.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        own: Collection[str | os.PathLike[str]] = (),
        overwriting: Callable[[str], None] = unwatched,
    ) -> None:
        self.root = os.path.abspath(root)
        self.problems: list[str] = []
        self.outside = False
        self._own = frozenset(os.path.abspath(path) for path in own)
        self._overwriting = overwriting
        self._below = os.path.join(self.root, "")
        self._seen: dict[tuple[str, Kind], os.stat_result | tuple[str, ...] | FileDependency | None] = {}
        self._digests: dict[str, str] = {}
        self._written: dict[str, _Writing] = {}
        self._only_named: set[tuple[str, Kind]] = set()
        self._closed = False

    def __enter__(self) -> Self:
        """Begin to look."""
        _install()
        _WATCHES.set((*_WATCHES.get(), self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop looking, also in the threads that still run."""
        self._closed = True
        # By value, not by token: an asynchronous cell may end in another context than it began in.
        _WATCHES.set(tuple(watch for watch in _WATCHES.get() if watch is not self))

    # -- what is seen

    def note(self, path: str, kind: Kind) -> None:
        """Count a file, folder or pattern as read, as it is now (from ``named_files``, --depends).

        Args:
            path: absolute, or relative to the root.
            kind: how it is read.
        """
        full = self._full(path)
        if (full, kind) not in self._seen:
            self.read(full, kind)
            self._only_named.add((full, kind))

    def note_made(self, named: Iterable[tuple[str, Kind]]) -> None:
        """Count the named files that are new or other than they were as written; ask once the watched code ended.

        Writers in C++ are not seen at work: a file that nothing but its name tells of is found only so.
        """
        for path, kind in named:
            full = self._full(path)
            if kind == "file" and (full, kind) not in self._seen and self.counts(full):
                self._written.setdefault(full, _Writing(NOT_THERE, appending=False))
        for path, kind in list(self._only_named):
            seen = self._seen.get((path, kind))
            if kind == "file" and isinstance(seen, os.stat_result) and _is_other(path, seen):
                self._written.setdefault(path, _Writing(seen.st_size, appending=False))

    def seen(self) -> list[tuple[str, Kind]]:
        """Return the recorded path and kind of what was read so far."""
        return [(relative(path, self.root), kind) for path, kind in list(self._seen)]

    def note_replayed(self, reads: Iterable[FileDependency], left: Iterable[WrittenFile]) -> None:
        """Take over what a step that replays inside of the watched code once read and wrote."""
        for read in reads:
            full = self._full(read.path)
            if full not in self._written:
                self._seen.setdefault((full, read.kind), read)
        for each in left:
            appending = each.kind == "appended"
            writing = self._written.setdefault(self._full(each.path), _Writing(each.before, appending))
            writing.appending &= appending

    def read(self, path: str, kind: Kind) -> None:
        """Remember an absolute path that is about to be read."""
        if (path, kind) in self._seen or path in self._written or (path, "missing") in self._seen:
            return
        try:
            if kind == "listing":
                self._seen[path, kind] = dependencies.listed(path)
                return
            if kind == "glob":
                self._seen[path, kind] = dependencies.matches(path, self.root)
                return
            seen = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            self._seen[path, "missing"] = None
            return
        if stat.S_ISREG(seen.st_mode):
            self._seen[path, "file"] = seen

    def opened(self, path: str) -> None:
        """Remember a file that is about to be opened for reading, rather than only named."""
        self._only_named.discard((path, "file"))
        self.read(path, "file")

    def opened_unseen(self, path: str) -> None:
        """Remember a file that something opened and nothing wrote, though no event of Python's told of it."""
        if self.counts(path):
            self.read(path, "file")

    def write(self, path: str, *, appending: bool = False) -> None:
        """Remember an absolute path that is about to be written, moved or removed."""
        writing = self._written.get(path)
        if isinstance(self._seen.get((path, "file")), os.stat_result) and path not in self._digests and not writing:
            # The event comes before the file is emptied: the last moment to see what was read.
            self._digests[path] = file_digest(path)
        if not appending and (writing is None or writing.appending):
            self._overwriting(path)
        if writing is None:
            before = _stat(path)
            self._written[path] = _Writing(before.st_size if before is not None else NOT_THERE, appending)
        else:
            writing.appending &= appending

    def see(self, action: Action, path: object) -> None:
        """Take part of an audit event; never raises, for that would break the user's call."""
        if self._closed:
            return
        writes = action in ("write", "append")
        self.outside = self.outside or (writes and not in_an_import())
        try:
            full = _absolute(path)
            if full is None or not self.counts(full):
                return
            if writes:
                self.write(full, appending=action == "append")
            elif action == "read":
                self.opened(full)
            else:
                self.read(full, "listing" if action == "listing" else "glob")
        except Exception as error:  # noqa: BLE001 - reported through problems
            self.problems.append(f"{path!r}: {type(error).__name__}: {error}")

    # -- what came of it

    def reads(self) -> tuple[FileDependency, ...]:
        """Return what was read, as before the watched code's own writes; ask once it ended."""
        if not self._seen:
            return ()
        with watched_by(()):
            # A file that was only named and then written is an output, whatever it held before.
            outputs = {spot for spot in self._only_named if spot[0] in self._written}
            return tuple(self._dependency(path, kind) for path, kind in list(self._seen) if (path, kind) not in outputs)

    def left(self) -> tuple[WrittenFile, ...]:
        """Return the files that were written or removed, as they are now; ask once it ended."""
        if not self._written:
            return ()
        with watched_by(()):
            found = (self._left(path, writing) for path, writing in list(self._written.items()))
            return tuple(each for each in found if each is not None)

    def _left(self, path: str, writing: _Writing) -> WrittenFile | None:
        look = appended if writing.appending else written
        return look(path, relative(path, self.root), writing.before)

    def writes(self) -> tuple[str, ...]:
        """Return the recorded paths of files written, moved or removed, first ones first."""
        return tuple(relative(path, self.root) for path in self._written)

    def counts(self, path: str) -> bool:
        """Say whether a file at an absolute path can be a dependency."""
        below = os.path.join(path, "").startswith(self._below)
        inside = path[len(self._below) :] if below else path
        if path in self._own or any(map(dependencies.is_junk, inside.split(os.sep))):
            return False
        if not path.startswith(excluded_folders()):
            return True
        least = len(self._below)
        return below and not any(len(folder) > least and path.startswith(folder) for folder in excluded_folders())

    def _dependency(self, path: str, kind: Kind) -> FileDependency:
        name = relative(path, self.root)
        seen = self._seen[path, kind]
        if isinstance(seen, FileDependency):
            return seen
        if kind == "missing":
            return FileDependency(name, kind)
        if isinstance(seen, os.stat_result):
            return self._file(path, name, seen)
        return dependencies.from_names(name, kind, seen or (), self._ignored(path, kind))

    def _ignored(self, path: str, kind: Kind) -> tuple[str, ...]:
        mine = [*self._written, *self._own]
        if kind == "glob":
            names = {relative(p, self.root) for p in mine}
            return tuple(sorted(names.intersection(dependencies.matches(path, self.root))))
        return tuple(sorted({os.path.basename(p) for p in mine if os.path.dirname(p) == path}))

    def _file(self, path: str, name: str, seen: os.stat_result) -> FileDependency:
        digest = self._digests.get(path)
        if digest is not None:
            return dependencies.from_stat(name, seen, digest)
        try:
            digest = file_digest(path)
            now = os.stat(path)
        except OSError:
            return FileDependency(name, "file", seen.st_size)
        if (now.st_size, now.st_mtime_ns) != (seen.st_size, seen.st_mtime_ns):
            return FileDependency(name, "file", seen.st_size)
        return dependencies.from_stat(name, seen, digest)

    def _full(self, path: str) -> str:
        return os.path.normpath(os.path.join(self.root, path))


def _is_other(path: str, seen: os.stat_result) -> bool:
    now = _stat(path)
    return now is None or (now.st_size, now.st_mtime_ns) != (seen.st_size, seen.st_mtime_ns)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _absolute(path: object) -> str | None:
    if path is None:
        return os.getcwd()
    if isinstance(path, int):
        return None
    return os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]


def _on_outside(event: str, args: tuple[Any, ...]) -> None:  # noqa: ARG001 - that it happens is all
    watches = _WATCHES.get()
    if watches and not in_an_import():
        for watch in watches:
            watch.outside = True


def _on_file(event: str, args: tuple[Any, ...]) -> None:
    watches = _WATCHES.get()
    if not watches:
        return
    token = _WATCHES.set(())  # what looking opens and lists itself does not count
    try:
        for action, path in what_happens(event, args):
            for watch in watches:
                watch.see(action, path)
    except Exception as error:  # noqa: BLE001 - a listener that raises breaks the user's call
        for watch in watches:
            watch.problems.append(f"{event}: {type(error).__name__}: {error}")
    finally:
        _WATCHES.reset(token)


@functools.cache
def _install() -> None:
    # Before the hook: the first look for the temporary folder holds a lock while it opens files, and the hook
    # would look for it again.
    excluded_folders()
    listen(OUTSIDE, _on_outside)
    listen(EVENTS, _on_file)


def watches_here() -> tuple[FileWatch, ...]:
    """Return the watches that see the calling code."""
    return _WATCHES.get()


def watched_by(watches: tuple[FileWatch, ...]) -> Bound[tuple[FileWatch, ...]]:
    """Let watches see a ``with`` body too: a thread's context begins empty."""
    return Bound(_WATCHES, watches)
