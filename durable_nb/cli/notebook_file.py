"""The notebook that a run writes: whole on disk at each moment, whatever ends the run."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from durable_nb.cli.command import CommandError

if TYPE_CHECKING:
    from nbformat import NotebookNode


def read_notebook(path: Path) -> NotebookNode:
    """Return a notebook of the current format.

    Raises:
        CommandError: there is none, or it is none.
    """
    import nbformat

    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise CommandError(f"{path} does not exist") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise CommandError(f"{path} is no valid notebook: {str(error).partition(chr(10))[0]}") from error
    return notebook


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Replace the file by the notebook: a reader, or a crash, sees the old one or the new one.

    Raises:
        CommandError: it cannot be written.
    """
    import nbformat

    try:
        _replace(path, nbformat.writes(notebook))
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}") from error


def _replace(path: Path, text: str) -> None:
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text if text.endswith("\n") else text + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def seconds_taken(notebook: NotebookNode) -> dict[str, float]:
    """Return how long the cells of an executed notebook took, by their ids, where it tells."""
    times = {cell.get("id", ""): cell.metadata.get("execution", {}) for cell in notebook.cells}
    found = {own: _seconds(each) for own, each in times.items() if own}
    return {own: seconds for own, seconds in found.items() if seconds is not None}


def _seconds(times: Any) -> float | None:
    try:
        began, ended = (datetime.fromisoformat(times[key]) for key in ("iopub.execute_input", "shell.execute_reply"))
    except (KeyError, TypeError, ValueError):
        return None
    return (ended - began).total_seconds()
