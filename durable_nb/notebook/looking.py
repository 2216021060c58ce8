"""Cells that only look: they show values and compute new ones, and change nothing."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.address import ATOMS

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPRESSIONS: Final = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred,
    ast.Tuple, ast.List, ast.Set, ast.Dict,
    ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.JoinedStr, ast.FormattedValue, ast.keyword,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension,
    ast.expr_context, ast.cmpop, ast.boolop, ast.operator, ast.unaryop,
)  # fmt: skip
_FUNCTIONS: Final = frozenset(
    {
        "abs", "all", "any", "bool", "dict", "dir", "display", "enumerate", "float", "format", "frozenset", "hasattr",
        "hash", "help", "id", "int", "isinstance", "len", "list", "max", "min", "print", "range", "repr", "reversed",
        "round", "set", "sorted", "str", "sum", "tuple", "type", "vars", "zip",
    }
)  # fmt: skip
_METHODS: Final = frozenset(
    {
        "agg", "all", "any", "astype", "copy", "corr", "count", "describe", "dot", "get", "groupby", "head", "index",
        "info", "isna", "isnull", "item", "items", "join", "keys", "max", "mean", "median", "merge", "min", "ndim",
        "nunique", "pivot_table", "quantile", "round", "sample", "select", "size", "split", "startswith", "std", "sum",
        "tail", "to_frame", "to_string", "tolist", "transpose", "unique", "value_counts", "values", "var",
    }
)  # fmt: skip
"""Of types of Python and of the libraries below these change nothing."""
_LIBRARIES: Final = frozenset({"builtins", "numpy", "pandas", "polars", "pyarrow", "scipy", "collections", "datetime"})


def only_looks(tree: ast.Module, names: Mapping[str, Any]) -> bool:
    """Say whether a cell cannot have changed in place what it reads.

    Args:
        tree: the cell after IPython's transform.
        names: the namespace, with the values that it reads.
    """
    return all(_looks(statement, names) for statement in tree.body)


def calls_for_effect(tree: ast.Module, *, shows: bool) -> bool:
    """Say whether a cell calls something whose value nobody takes, but to print: it may have changed what is unseen.

    Args:
        tree: the cell after IPython's transform.
        shows: whether it showed the value of its last line.
    """
    shown = tree.body[-1] if shows and tree.body else None
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and node is not shown]
    return any(isinstance(value, ast.Call | ast.Await) and not _prints(value) for value in values)


def _prints(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id="print" | "display")):
            return True
    return False


def _looks(statement: ast.stmt, names: Mapping[str, Any]) -> bool:
    match statement:
        case ast.Assign(targets=targets, value=value):
            return all(isinstance(target, ast.Name) for target in targets) and _is_pure(value, names)
        case ast.Expr(value=value):
            return _is_pure(value, names)
        case ast.Import() | ast.ImportFrom() | ast.Pass():
            return True
    return False


def _is_pure(value: ast.expr, names: Mapping[str, Any]) -> bool:
    local = {node.id for node in ast.walk(value) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return all(_is_harmless(node, names, local) for node in ast.walk(value))


def _is_harmless(node: ast.AST, names: Mapping[str, Any], local: set[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in _FUNCTIONS and (name not in names or names[name] is getattr(builtins, name, names[name]))
        case ast.Call(func=ast.Attribute(attr=attribute)):
            return attribute in _METHODS
        case ast.Name(id=name):
            return name in local or name in _FUNCTIONS or _is_known(names.get(name))
    return isinstance(node, _EXPRESSIONS)


def _is_known(value: object) -> bool:
    """Say whether looking at a value runs no code of the user's; what is not bound is none."""
    return type(value) in ATOMS or type(value).__module__.partition(".")[0] in _LIBRARIES
