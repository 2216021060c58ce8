"""The notebook that a run writes: whole on disk at each moment, whatever ends the run."""

from __future__ import annotations

import json
import tempfile
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from durable_nb.cli.command import CommandError
from durable_nb.store.replacing import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from nbformat import NotebookNode

_ELSEWHERE: Final = "name another notebook to write with -o"


def read_notebook(path: Path) -> NotebookNode:
    """Return a notebook of the current format.

    Raises:
        CommandError: there is none, or it is none.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise CommandError(f"{path} does not exist") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is no valid notebook: it is no text in UTF-8") from error
    try:
        return _parse(text)
    except Exception as error:
        raise CommandError(f"{path} is no valid notebook: {str(error).partition(chr(10))[0]}") from error


def _parse(text: str) -> NotebookNode:
    """Return a notebook; ids of cells that lack one or share one are mended, without a word, as JupyterLab does.

    Raises:
        Exception: the text is none.
    """
    import nbformat

    if not text.strip():
        raise ValueError("it is empty")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from error
    if not isinstance(content, dict):
        raise TypeError("it holds no JSON object")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notebook: NotebookNode = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    return notebook


def make_place(path: Path) -> None:
    """Make the folder of a notebook that is to be written, and see that it can be written there.

    Raises:
        CommandError: it cannot.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise CommandError(f"{path} is {what}: {_ELSEWHERE}")
    try:
        folder = path.resolve().parent  # a link stays one
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Replace the file by the notebook: a reader, or a crash, sees the old one or the new one.

    Raises:
        CommandError: it cannot be written.
    """
    import nbformat

    text = nbformat.writes(notebook)
    try:
        replace_file(path, text if text.endswith("\n") else text + "\n")
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> CommandError:
    return CommandError(f"{path} cannot be written ({error.strerror or error}: {path.parent}): {_ELSEWHERE}")


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
