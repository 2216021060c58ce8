"""Which cells set random streams, and which do so before they can have drawn from them."""

from __future__ import annotations

import ast
import re
from types import ModuleType
from typing import Any

from durable_nb.core.streams import SEEDING

_CALLS_SEEDING = re.compile(rf"(?:{SEEDING.pattern})\w*\s*\(", re.IGNORECASE)
_SETTERS = {
    ("random", "seed"): "random",
    ("random", "setstate"): "random",
    ("numpy.random", "seed"): "numpy.random",
    ("numpy.random", "set_state"): "numpy.random",
    ("torch", "manual_seed"): "torch",
    ("torch", "set_rng_state"): "torch",
}
"""Module and function -> the stream that a call of it sets whatever its state was before."""


def sets_a_stream(source: str) -> bool:
    """Say whether a cell's text calls something named like ``seed`` or ``set_state``."""
    return bool(_CALLS_SEEDING.search(source))


def seeded_first(tree: ast.Module, names: dict[str, Any]) -> frozenset[str]:
    """Return the streams that a cell sets before anything in it can have drawn.

    Only statements that cannot draw may come before: imports, definitions, constants and other such calls.
    """
    found: set[str] = set()
    for statement in tree.body:
        stream = _stream_set_by(statement, names)
        if stream is not None:
            found.add(stream)
        elif not _cannot_draw(statement):
            break
    return frozenset(found)


def _stream_set_by(statement: ast.stmt, names: dict[str, Any]) -> str | None:
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return None
    call = statement.value
    if not all(isinstance(each, ast.Constant) for each in (*call.args, *(k.value for k in call.keywords))):
        return None  # an argument could draw
    if not isinstance(call.func, ast.Attribute):
        return None
    module = _module(call.func.value, names)
    return _SETTERS.get((module.__name__, call.func.attr)) if module is not None else None


def _module(node: ast.expr, names: dict[str, Any]) -> ModuleType | None:
    """Resolve ``np.random`` and the like to the module it is."""
    if isinstance(node, ast.Name):
        value = names.get(node.id)
    elif isinstance(node, ast.Attribute):
        owner = _module(node.value, names)
        value = vars(owner).get(node.attr) if owner is not None else None
    else:
        return None
    return value if isinstance(value, ModuleType) else None


def _cannot_draw(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return not statement.decorator_list and not statement.args.defaults and not any(statement.args.kw_defaults)
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) else None
    return isinstance(value, ast.Constant)
