"""What Python's audit events say about files: which path is about to be read, listed, matched or written.

Also that code reaches beyond the kernel at all: to files, other processes and other machines.
"""

# ruff: noqa: PTH118, SLF001
# Strings for paths, as in dependencies; the frames of callers are only had so.

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType

Action = Literal["read", "listing", "glob", "write", "append"]
Found = tuple[Action, object]
"""What is about to happen, and to which path: text, bytes, path-like, descriptor, or None for the current folder."""

_WRITES = os.O_WRONLY | os.O_RDWR
_IMPORTING = ("importlib", "_frozen_importlib", "pkgutil", "zipimport", "linecache")


def what_happens(event: str, args: tuple[Any, ...]) -> Iterable[Found]:
    """Say what an audit event means; call it from the listener itself, for the frame of the code is looked at.

    Args:
        event: the event's name, one of ``EVENTS``.
        args: its arguments.
    """
    return _EVENTS[event](args, _caller(4))


def _on_open(args: tuple[Any, ...], caller: str) -> Iterable[Found]:
    path, _, flags = args
    if caller.startswith(_IMPORTING) or (caller == "tokenize" and _caller(6) == "linecache"):
        return []  # loaded code counts as code, not as a file
    flags = flags or 0
    found: list[Found] = []
    if not flags & (os.O_WRONLY | os.O_TRUNC | os.O_EXCL):
        found.append(("read", path))
    if flags & _WRITES:
        found.append(("append" if flags & os.O_APPEND else "write", path))
    return found


def _on_list(args: tuple[Any, ...], caller: str) -> Iterable[Found]:
    return [] if caller.startswith((*_IMPORTING, "glob")) else [("listing", args[0])]


def _on_scan(args: tuple[Any, ...], caller: str) -> Iterable[Found]:
    # Patterns are dependencies on what they match, not on all the names in the folders on the way.
    by_pattern = caller.startswith("pathlib") and _function(5) not in {"walk", "iterdir"}
    return [] if by_pattern or caller.startswith((*_IMPORTING, "glob")) else [("listing", args[0])]


def _on_glob(args: tuple[Any, ...], _: str) -> Iterable[Found]:
    pattern, _recursive, root_dir, *_rest = args
    return [("glob", os.path.join(os.fsdecode(root_dir or ""), os.fsdecode(pattern)))]


def _on_path_glob(args: tuple[Any, ...], _: str) -> Iterable[Found]:
    return [("glob", os.path.join(args[0], args[1]))]


def _on_path_rglob(args: tuple[Any, ...], _: str) -> Iterable[Found]:
    return [("glob", os.path.join(args[0], "**", args[1]))]


def _on_move(args: tuple[Any, ...], _: str) -> Iterable[Found]:
    return [("write", args[0]), ("write", args[1])]


def _on_link(args: tuple[Any, ...], _: str) -> Iterable[Found]:
    return [("write", args[1])]


def _on_change(args: tuple[Any, ...], _: str) -> Iterable[Found]:
    return [("write", args[0])]


_EVENTS: Mapping[str, Callable[[tuple[Any, ...], str], Iterable[Found]]] = {
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
EVENTS = frozenset(_EVENTS)
"""The names of the events that say something about files."""
OUTSIDE = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "subprocess.Popen",
        "os.system",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.kill",
        "os.killpg",
        "signal.pthread_kill",
        "sqlite3.connect",
        "webbrowser.open",
        "msvcrt.putch",
        "builtins.input",
    }
)
"""The names of the events by which code reaches other processes, other machines or people."""


def in_an_import() -> bool:
    """Say whether the code that raised an audit event was run by an import; call it below the hook."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


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
