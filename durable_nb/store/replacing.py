"""Puts a text in a file's place in one go: a reader, or a crash, sees the old one or the new one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, text: str, *, private: bool = False) -> None:
    """Replace a file, which need not exist.

    Args:
        path: of the file.
        text: its new content.
        private: whether it is a file of our own, for this user's eyes, in place of a link too, and not worth a wait
            for the disk. One of the user's keeps its mode, stays behind a link, and is on disk in the end.

    Raises:
        OSError: it cannot be written; it is as before.
    """
    target = path if private else path.resolve()
    handle, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{path.name}-")  # only its user may read it
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if not private:
                file.flush()
                os.fsync(file.fileno())
        if not private:
            Path(draft).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
