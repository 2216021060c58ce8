"""Files that are closed: nothing is left of them but a name and a mode, and that can be saved and compared."""

from __future__ import annotations

import io
from typing import Any, Final

FILES: Final = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


def closed_file(file: Any) -> tuple[str, str, str | None, str | None] | None:
    """Return name, mode, encoding and errors of a file that was opened by its path and is closed; None for others."""
    if type(file) not in FILES or not file.closed or type(getattr(file, "name", None)) is not str:
        return None
    return file.name, file.mode, getattr(file, "encoding", None), getattr(file, "errors", None)
