"""The cells of the notebook's file, as it was saved last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = "%%step"


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
    for cell in _cells(file):
        text = cell.get("source", "")
        text = text if isinstance(text, str) else "".join(text)
        line, _, body = text.lstrip("\n").partition("\n")
        if cell.get("cell_type") == "code":
            is_marked = line.split()[:1] == [_MAGIC]
            yield str(cell.get("id", "")), line if is_marked else "", body if is_marked else text


def _cells(file: str) -> list[dict[str, Any]]:
    try:
        cells = json.loads(Path(file).read_text("utf-8"))["cells"] if file.endswith(".ipynb") else []
    except (OSError, ValueError, KeyError, TypeError):  # it is being written, or no notebook
        return []
    return [each for each in cells if isinstance(each, dict)] if isinstance(cells, list) else []


def _name(line: str) -> str:
    """Return the name in a ``%%step`` line: the first word, where it is no flag."""
    words = line.split()[1:2]
    return words[0] if words and not words[0].startswith("-") else ""
