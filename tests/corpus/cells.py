"""The code cells of notebooks and of scripts in percent or gallery format, and which of them become steps."""

from __future__ import annotations

import ast
import re

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from durable_nb.notebook.setting_up import only_sets_up

# A gallery's block begins with a line of many #, or as in the percent format.
_BLOCK = re.compile(r"^(?:#{20,}|# ?%%).*\n", re.MULTILINE)


def cells_of(name: str, text: str) -> list[str]:
    """Return the code cells of a notebook or script."""
    if name.endswith(".ipynb"):
        cells = [each.source for each in nbformat.reads(text, as_version=4).cells if each.cell_type == "code"]
    else:
        cells = _BLOCK.split(text)
    return [each.strip("\n") for each in cells if _statements(each)]


def is_step(cell: str) -> bool:
    """Tell whether auto mode makes a step of a cell; one that only configures modules of earlier cells may be none."""
    return not only_sets_up(ast.parse(TransformerManager().transform_cell(cell)), {})


def _statements(cell: str) -> list[ast.stmt]:
    """Return the statements of a cell, but for texts that stand alone, which are a script's prose."""
    statements = ast.parse(TransformerManager().transform_cell(cell)).body
    return [each for each in statements if not (isinstance(each, ast.Expr) and _is_text(each.value))]


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
