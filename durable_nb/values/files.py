"""Which files a step reads and writes, seen through Python's audit events.

Readers written in C or C++ that open files on their own raise no event; ``named_files`` finds most
of what they read by name.
"""

# ruff: noqa: PTH100, PTH109, PTH116, PTH118, PTH119, PTH120, PTH206, SLF001
# Strings for paths, as in dependencies; the frames of callers are only had so.

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from durable_nb.values import dependencies
from durable_nb.values.dependencies import (
    FileDependency,
    Kind,
    changed,
    file_digest,
    named_files,
    observe,
    relative,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import TracebackType

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
_WRITES = os.O_WRONLY | os.O_RDWR
_IMPORTING = ("importlib", "_frozen_importlib", "pkgutil", "zipimport", "linecache")


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


class FileWatch:
    """Collects what is read and written while it is entered, by its own thread or task.

    ``with FileWatch(root) as watch: …`` sees this context and those that inherit it (the threads
    and tasks that durable_nb hands its context to). Nested watches each see everything.

    Args:
        root: the notebook's folder; what is below always counts, wherever it lies, unless it lies
            in an excluded folder that is itself below the root (a virtual environment).
        own: files that never count: the notebook itself.

    Attributes:
        problems: what went wrong while looking; when not empty, what was read is not fully known.
    """

    def __init__(self, root: str | os.PathLike[str], own: Collection[str | os.PathLike[str]] = ()) -> None:
        self.root = os.path.abspath(root)
        self.problems: list[str] = []
        self._own = frozenset(os.path.abspath(path) for path in own)
        self._below = os.path.join(self.root, "")
        self._seen: dict[tuple[str, Kind], os.stat_result | tuple[str, ...] | None] = {}
        self._digests: dict[str, str] = {}
        self._written: dict[str, None] = {}
        self._rewritten: dict[str, None] = {}
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

    def note(self, path: str, kind: Kind) -> None:
        """Count a file, folder or pattern as read, as it is now (from ``named_files``, --depends).

        Args:
            path: absolute, or relative to the root.
            kind: how it is read.
        """
        full = os.path.normpath(os.path.join(self.root, path))
        if (full, kind) not in self._seen:
            self.read(full, kind)
            self._only_named.add((full, kind))

    def reads(self) -> tuple[FileDependency, ...]:
        """Return what was read, as before the watched code's own writes; ask once it ended."""
        token = _WATCHES.set(())
        try:
            # A file that was only named and then written is an output, whatever it held before.
            outputs = {spot for spot in self._only_named if spot[0] in self._written}
            return tuple(self._dependency(path, kind) for path, kind in list(self._seen) if (path, kind) not in outputs)
        finally:
            _WATCHES.reset(token)

    def left(self) -> tuple[FileDependency, ...]:
        """Return the files that were written or removed, as they are now; logs that were only appended to do not count.

        Ask once it ended: a replay stands for the step only while these are as the step left them.
        """
        token = _WATCHES.set(())
        try:
            paths = [path for path in self._rewritten if not Path(path).is_dir()]
            return tuple(dependencies.observe(path, "file", Path(self.root)) for path in paths)
        finally:
            _WATCHES.reset(token)

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

    def write(self, path: str, *, appending: bool = False) -> None:
        """Remember an absolute path that is about to be written, moved or removed."""
        if not appending:
            self._rewritten.setdefault(path)
        seen = self._seen.get((path, "file"))
        if path not in self._written and seen is not None and path not in self._digests:
            # The event comes before the file is emptied: the last moment to see what was read.
            self._digests[path] = file_digest(path)
        self._written.setdefault(path)

    def _dependency(self, path: str, kind: Kind) -> FileDependency:
        name = relative(path, self.root)
        seen = self._seen[path, kind]
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

    def see(self, action: Callable[[FileWatch, str], None], path: object) -> None:
        """Take part of an audit event; never raises, for that would break the user's call."""
        if self._closed:
            return
        try:
            full = _absolute(path)
            if full is not None and self.counts(full):
                action(self, full)
        except Exception as error:  # noqa: BLE001 - reported through problems
            self.problems.append(f"{path!r}: {type(error).__name__}: {error}")


def _absolute(path: object) -> str | None:
    if path is None:
        return os.getcwd()
    if isinstance(path, int):
        return None
    return os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]


def _read_file(watch: FileWatch, path: str) -> None:
    watch.opened(path)


def _read_folder(watch: FileWatch, path: str) -> None:
    watch.read(path, "listing")


def _read_glob(watch: FileWatch, path: str) -> None:
    watch.read(path, "glob")


def _write_file(watch: FileWatch, path: str) -> None:
    watch.write(path)


def _append_file(watch: FileWatch, path: str) -> None:
    watch.write(path, appending=True)


Step = tuple["Callable[[FileWatch, str], None]", object]


def _on_open(args: tuple[Any, ...], caller: str) -> Iterable[Step]:
    path, _, flags = args
    if caller.startswith(_IMPORTING) or (caller == "tokenize" and _caller(4) == "linecache"):
        return  # loaded code counts as code, not as a file
    flags = flags or 0
    if not flags & (os.O_WRONLY | os.O_TRUNC | os.O_EXCL):
        yield _read_file, path
    if flags & _WRITES:
        yield (_append_file if flags & os.O_APPEND else _write_file), path


def _on_list(args: tuple[Any, ...], caller: str) -> Iterable[Step]:
    if not caller.startswith((*_IMPORTING, "glob")):
        yield _read_folder, args[0]


def _on_scan(args: tuple[Any, ...], caller: str) -> Iterable[Step]:
    # Patterns are dependencies on what they match, not on all the names in the folders on the way.
    by_pattern = caller.startswith("pathlib") and _function(3) not in {"walk", "iterdir"}
    if not by_pattern and not caller.startswith((*_IMPORTING, "glob")):
        yield _read_folder, args[0]


def _on_glob(args: tuple[Any, ...], _: str) -> Iterable[Step]:
    pattern, _recursive, root_dir, *_rest = args
    yield _read_glob, os.path.join(os.fsdecode(root_dir or ""), os.fsdecode(pattern))


def _on_path_glob(args: tuple[Any, ...], _: str) -> Iterable[Step]:
    yield _read_glob, os.path.join(args[0], args[1])


def _on_path_rglob(args: tuple[Any, ...], _: str) -> Iterable[Step]:
    yield _read_glob, os.path.join(args[0], "**", args[1])


def _on_move(args: tuple[Any, ...], _: str) -> Iterable[Step]:
    yield _write_file, args[0]
    yield _write_file, args[1]


def _on_link(args: tuple[Any, ...], _: str) -> Iterable[Step]:
    yield _write_file, args[1]


def _on_change(args: tuple[Any, ...], _: str) -> Iterable[Step]:
    yield _write_file, args[0]


_EVENTS: Mapping[str, Callable[[tuple[Any, ...], str], Iterable[Step]]] = {
    "open": _on_open,
    "os.listdir": _on_list,
    "os.scandir": _on_scan,
    "glob.glob/2": _on_glob,
    "pathlib.Path.glob": _on_path_glob,
    "pathlib.Path.rglob": _on_path_rglob,
    "os.rename": _on_move,
    "os.link": _on_link,
    "os.symlink": _on_link,
    "os.remove": _on_change,
    "os.truncate": _on_change,
    "os.mkdir": _on_change,
    "os.rmdir": _on_change,
}


def _hook(event: str, args: tuple[Any, ...]) -> None:
    watches = _WATCHES.get()
    if not watches or event not in _EVENTS:
        return
    token = _WATCHES.set(())  # what looking opens and lists itself does not count
    try:
        for action, path in _EVENTS[event](args, _caller(2)):
            for watch in watches:
                watch.see(action, path)
    except Exception as error:  # noqa: BLE001 - an audit hook that raises breaks the user's call
        for watch in watches:
            watch.problems.append(f"{event}: {type(error).__name__}: {error}")
    finally:
        _WATCHES.reset(token)


def _caller(depth: int) -> str:
    try:
        return str(sys._getframe(depth).f_globals.get("__name__", ""))
    except ValueError:
        return ""


def _function(depth: int) -> str:
    try:
        return sys._getframe(depth).f_code.co_name
    except ValueError:
        return ""


@functools.cache
def _install() -> None:
    # Cannot be undone; with no watch it costs one look at a context variable per event.
    sys.addaudithook(_hook)
