"""The code cells of notebooks and of scripts in percent or gallery format, and how each becomes a step."""

from __future__ import annotations

import ast
import re

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

# A gallery's block begins with a line of many #, or as in the percent format.
_BLOCK = re.compile(r"^(?:#{20,}|# ?%%).*\n", re.MULTILINE)
_LINE_MAGIC = "run_line_magic"
_CELL_FILE = re.compile(r"ipykernel_\d+/\d+\.py")


def cells_of(name: str, text: str) -> list[str]:
    """Return the code cells of a notebook or script."""
    if name.endswith(".ipynb"):
        cells = [each.source for each in nbformat.reads(text, as_version=4).cells if each.cell_type == "code"]
    else:
        cells = _BLOCK.split(text)
    return [each.strip("\n") for each in cells if _statements(each)]


def as_step(cell: str) -> str:
    """Return the cell as a durable step: what automatic steps will do without the line."""
    return f"%%step\n{cell}" if is_step(cell) else as_plain(cell)


def as_plain(cell: str) -> str:
    """Return the cell as it is run plainly, with its lines at the numbers that they have in a step."""
    return cell if cell.lstrip().startswith("%%") else f"#\n{cell}"


def without_cell_file(text: str) -> str:
    """Leave out the file name that ipykernel gives a cell: it is a digest of the text, and ``%%step`` is text."""
    return _CELL_FILE.sub("ipykernel", text)


def is_step(cell: str) -> bool:
    """Tell whether a cell does more than importing, defining and configuring by line magics."""
    return not cell.lstrip().startswith("%%") and not all(map(_only_prepares, _statements(cell)))


def _only_prepares(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return True
    return isinstance(statement, ast.Expr) and _LINE_MAGIC in ast.dump(statement.value)


def _statements(cell: str) -> list[ast.stmt]:
    """Return the statements of a cell, but for texts that stand alone, which are a script's prose."""
    statements = ast.parse(TransformerManager().transform_cell(cell)).body
    return [each for each in statements if not (isinstance(each, ast.Expr) and _is_text(each.value))]


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
