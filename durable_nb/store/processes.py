"""Which process is it, and does it live? A pid alone does not tell: the system gives it to others later."""

from __future__ import annotations

import os
from pathlib import Path

_ENDED = frozenset({"Z", "X"})


def start_of(pid: int) -> str:
    """Return what tells a process from a later one of the same pid: its start; "" where the system does not say."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def lives(pid: int, start: str) -> bool | None:
    """Return whether a process of this machine lives; None where that cannot be told.

    Args:
        pid: its id.
        start: what :func:`start_of` said of it, "" where that is not known.
    """
    fields = _stat(pid)
    if fields:
        # a killed process that its parent has not waited for has an entry yet
        return fields[0] not in _ENDED and start in ("", fields[19])
    if Path("/proc/self/stat").exists():
        return False
    return _signalled(pid)


def _stat(pid: int) -> list[str]:
    """Return the fields of Linux's ``/proc/PID/stat`` from the state on: the name before them may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _signalled(pid: int) -> bool | None:
    if os.name == "nt":
        return None  # signal 0 is Ctrl+C there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it is somebody else's
    return True
