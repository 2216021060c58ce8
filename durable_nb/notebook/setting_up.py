"""Cells that only import, define or configure: in auto mode these simply run, since a checkpoint would cost more."""

from __future__ import annotations

import ast
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from durable_nb.notebook.magics_code import PYTHON_MAGICS, is_shell_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DEFINITIONS: Final = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Global,
    ast.Pass,
)
_LITERALS: Final = (
    ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.unaryop, ast.operator, ast.Load,
)  # fmt: skip
_CONFIGURES: Final = re.compile(r"(set|seed|use|filter|simplefilter|basicConfig|config|enable|disable|reset|option)")
"""How functions that configure a module are named, from their beginning."""
_RUN_CODE: Final = PYTHON_MAGICS | {
    "run",
    "load",
    "loadpy",
    "recall",
    "rerun",
    "edit",
    "macro",
    "store",
    "reset",
    "xdel",
}
"""Line magics that change the namespace. Others simply run, as do cell magics whose text is no Python."""


def only_sets_up(tree: ast.Module, names: Mapping[str, Any]) -> bool:
    """Say whether all that a cell does is to import, define, bind literals, configure modules or run plain magics.

    Taking a cell for one that is none costs time and is never wrong: it runs.

    Args:
        tree: the cell after IPython's transform.
        names: the namespace, where it finds its modules.
    """
    modules = {name for name, value in names.items() if isinstance(value, ModuleType)} | _imported(tree)
    return all(_sets_up(statement, modules) for statement in tree.body)


def runs_unseen_code(tree: ast.Module) -> bool:
    """Say whether a cell has a line magic that runs code which it does not show, as ``%run`` does."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    unseen = _RUN_CODE - PYTHON_MAGICS
    return any(is_shell_call(call, frozenset({"run_line_magic"})) and magic_of(call) in unseen for call in calls)


def _imported(tree: ast.Module) -> set[str]:
    imports = [node for node in tree.body if isinstance(node, ast.Import)]
    return {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}


def _sets_up(node: ast.stmt, modules: set[str]) -> bool:
    match node:
        case ast.Expr(value=value):
            return isinstance(value, ast.Constant) or _is_plain_magic(value) or _configures(value, modules)
        case ast.Assign(targets=targets, value=value):
            return _is_literal(value) and all(_is_bound_or_of_module(target, modules) for target in targets)
        case ast.AnnAssign(target=target, value=value):
            return (value is None or _is_literal(value)) and _is_bound_or_of_module(target, modules)
        case ast.If(body=body, orelse=orelse):
            return _all(body, modules) and _all(orelse, modules)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            return all(_all(each, modules) for each in (body, *(h.body for h in handlers), orelse, final))
        case _:
            return isinstance(node, _DEFINITIONS)


def _all(body: Iterable[ast.stmt], modules: set[str]) -> bool:
    return all(_sets_up(node, modules) for node in body)


def _is_literal(value: ast.expr) -> bool:
    return all(isinstance(node, _LITERALS) for node in ast.walk(value))


def _is_bound_or_of_module(target: ast.expr, modules: set[str]) -> bool:
    return isinstance(target, ast.Name) or _root(target) in modules


def _configures(value: ast.expr, modules: set[str]) -> bool:
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    return _CONFIGURES.match(value.func.attr) is not None and _root(value.func) in modules


def _root(node: ast.expr) -> str:
    """Return the name at the left of ``name.attribute[item]…``, "" of anything else."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_plain_magic(value: ast.expr) -> bool:
    if is_shell_call(value, frozenset({"run_cell_magic"})):
        return magic_of(value) not in PYTHON_MAGICS
    return is_shell_call(value, frozenset({"run_line_magic"})) and magic_of(value) not in _RUN_CODE


def magic_of(call: Any) -> str:
    """Return the name of the magic that a call of the shell runs, "" where it is not written there."""
    first = call.args[0] if call.args else None
    return str(first.value) if isinstance(first, ast.Constant) else ""
