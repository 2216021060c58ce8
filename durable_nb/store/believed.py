"""Whose file is it? A summary is believed only where nobody but this user can have written it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from durable_nb.store.summary import parse_summary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from durable_nb.store.summary import Summary

LARGEST_BYTES = 4 << 20
"""Of a summary; MOST_STEPS steps with long names take a quarter of it."""
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NO_WAITING = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Neither follow a link, nor wait for the writer of a pipe that was put there."""


def believed_summary(path: Path, notebook: Path) -> tuple[Summary | None, str]:
    """Return the summary of a notebook's store, or None and why there is none that can be believed.

    Args:
        path: of the summary.
        notebook: that the store lies beside: a summary that tells of another one is not believed.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_WAITING)
    except FileNotFoundError:
        return None, "it has no summary yet: load the extension in its notebook once"
    except OSError as error:
        return None, f"its summary cannot be read ({error.strerror})"
    try:
        doubt = _doubt(os.fstat(descriptor))
        content = b"" if doubt else _read(descriptor)
    finally:
        os.close(descriptor)
    return (None, doubt) if doubt else _of(content, notebook)


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(LARGEST_BYTES + 1)


def _doubt(about: os.stat_result) -> str:
    if not ours(about, stat.S_ISREG):
        return "its summary is no file of yours"
    if os.name != "nt" and about.st_mode & _OTHERS_MAY_WRITE:
        return "its summary can be written by other users"
    return ""


def _of(content: bytes, notebook: Path) -> tuple[Summary | None, str]:
    summary = parse_summary(content.decode(errors="replace")) if len(content) <= LARGEST_BYTES else None
    if summary is None:
        return None, "its summary is none of this version of durable_nb: load the extension in its notebook once"
    told = summary["notebook"]
    # realpath: the kernel and whoever asks may have come by different links
    if not told or "\0" in told or os.path.realpath(told) != os.path.realpath(notebook):
        return None, f"its summary is of {told or 'no notebook'}: load the extension in this one once"
    return summary, ""


def ours(about: os.stat_result, kind: Callable[[int], bool]) -> bool:
    """Say whether a file is of a kind (a link is not what it leads to) and belongs to this process's user."""
    return kind(about.st_mode) and (not hasattr(os, "geteuid") or about.st_uid == os.geteuid())
