"""The cells of the notebook's file, as it was saved last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from durable_nb.notebook.file import STEP, code_cells

if TYPE_CHECKING:
    from collections.abc import Iterator


def saved_body(file: str, name: str, cell_id: str) -> str | None:
    """Return the code of a step's cell in a notebook's file, without its ``%%step`` line.

    Args:
        file: path of the notebook; may be "", missing, or no notebook.
        name: the step's name; "" for one without, which is found by its cell's id.
        cell_id: id of its cell; "" where it is not known.

    Returns:
        None when the file does not tell, or has more than one such cell.
    """
    found = [body for own, line, body in _codes(file) if (_name(line) == name if name else own and own == cell_id)]
    return found[0] if len(found) == 1 else None


def _codes(file: str) -> Iterator[tuple[str, str, str]]:
    """Yield (cell id, ``%%step`` line or "", the rest) of the cells with code."""
    for cell in code_cells(Path(file)) if file.endswith(".ipynb") else ():
        line, _, body = cell.source.lstrip("\n").partition("\n")
        is_marked = line.split()[:1] == [STEP]
        yield cell.id, line if is_marked else "", body if is_marked else cell.source


def _name(line: str) -> str:
    """Return the name in a ``%%step`` line: the first word, where it is no flag."""
    words = line.split()[1:2]
    return words[0] if words and not words[0].startswith("-") else ""
