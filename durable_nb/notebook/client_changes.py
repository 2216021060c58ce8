"""Clients that a cell changes on purpose: ``session.headers["x"] = …``, ``api.url = …``, ``api.use_project("b")``."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final

from durable_nb.core.codes import Codes
from durable_nb.core.connections import changed_session, module_database
from durable_nb.values.culprit import type_name
from durable_nb.values.kinds import attributes_of
from durable_nb.values.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from durable_nb.notebook.analysis import CellCode
    from durable_nb.notebook.inputs import CellInputs

# Methods of containers, called on something that a client holds.
_MUTATORS: Final = frozenset(
    {"update", "setdefault", "pop", "popitem", "clear", "append", "extend", "insert", "add", "remove", "discard"}
)
# Methods of clients that say what later calls mean.
_SESSION: Final = re.compile(r"(?:use|switch)_\w+|mount|login|logout|configure|authenticate")
# These may say so; `redis.set(key, value)` does not.
_SETTERS: Final = re.compile(rf"set_\w+|{_SESSION.pattern}")
_UNKNOWN: Final = object()


def live_change(code: CellCode, inputs: CellInputs, codes: Codes, names: Mapping[str, Any]) -> str | None:
    """Say what a ``%%step`` cell does to something live that a replay would not do to it; None without any.

    Args:
        code: the cell.
        inputs: what it reads.
        codes: its code with that of the functions it reaches.
        names: the notebook's names.
    """
    values, clients = inputs.values.values(), inputs.fingerprints.clients
    if clients:
        for what, client in changed_clients(code.tree, Codes(inputs.codes()), names):
            return f"it changes {what}, a live {type_name(client)}, which a replay would not change"
        for method in _methods(code.tree, _SESSION, names):
            return f"it calls {ast.unparse(method)}(), which changes a live client; a replay would not"
    return changed_session(codes, values, clients) or module_database(values)


def changed_clients(tree: ast.Module, codes: Codes, names: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return the clients whose attributes a cell, or a function it reaches, assigns or changes.

    Args:
        tree: the cell.
        codes: the code of the functions that it reaches.
        names: the notebook's names; only their dictionaries are read, nobody's code runs.

    Returns:
        for each what is changed, as code, and the client.
    """
    found: dict[int, tuple[str, object]] = {}
    for node in _stored(tree):
        for client in _clients_on_the_way(node, names):
            found.setdefault(id(client), (ast.unparse(node), client))
    for dotted in codes.stored:
        node = ast.parse(".".join(dotted[:-1]), mode="eval").body
        for client in _clients_on_the_way(node, names):
            found.setdefault(id(client), (".".join(dotted), client))
    return list(found.values())


def configured_clients(tree: ast.Module, names: Mapping[str, Any]) -> list[object]:
    """Return the clients that a cell calls a method of which sounds as if it set something for later calls."""
    return [_resolve(method.value, names) for method in _methods(tree, _SETTERS, names)]


def _methods(tree: ast.Module, pattern: re.Pattern[str], names: Mapping[str, Any]) -> list[ast.Attribute]:
    """Return the methods of clients that a cell calls and whose names match."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    found = [func for func in calls if isinstance(func, ast.Attribute) and pattern.fullmatch(func.attr)]
    return [func for func in found if _is_client(_resolve(func.value, names))]


def _stored(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what the cell assigns an attribute or an item of, or calls a mutating method of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
            held = node.func.value
            if isinstance(held, ast.Attribute | ast.Subscript):
                yield held.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"setattr", "delattr"}:
            yield from node.args[:1]


def _clients_on_the_way(node: ast.expr, names: Mapping[str, Any]) -> Iterator[object]:
    while True:
        value = _resolve(node, names)
        if _is_client(value):
            yield value
        if not isinstance(node, ast.Attribute | ast.Subscript):
            return
        node = node.value


def _resolve(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return what a chain of names, attributes and constant items leads to; ``_UNKNOWN`` where that is not certain."""
    if isinstance(node, ast.Name):
        return names.get(node.id, _UNKNOWN)
    if isinstance(node, ast.Attribute):
        attributes = attributes_of(_resolve(node.value, names))
        return attributes.get(node.attr, _UNKNOWN) if type(attributes) is dict else _UNKNOWN
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        owner, key = _resolve(node.value, names), node.slice.value
        if type(owner) is dict and key in owner:
            return owner[key]
        if type(owner) in (list, tuple) and type(key) is int and -len(owner) <= key < len(owner):
            return owner[key]
    return _UNKNOWN


def _is_client(value: object) -> bool:
    known = registry.find(type(value))
    return known is not None and known.stateless and not known.alike
