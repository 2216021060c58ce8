"""An order for the elements of a set that does not follow the hash seed."""

from __future__ import annotations

import marshal
import pickle
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.values.kinds import PLAIN_ATOMS, all_atoms, class_name, is_atom
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable

_DEPTH = 3
_BREADTH = 16


def sort_key(reducer: Callable[[Any], tuple[Any, ...]], element: object) -> bytes:
    """Return bytes that order elements by their content, as far as three levels down tell them apart.

    Elements that this does not tell apart stay in the set's own order: then equal sets of two processes may
    get different fingerprints, which costs time, but different sets never get equal ones.
    """
    kind = type(element)
    if kind in PLAIN_ATOMS and kind is not type(...) and kind is not type(NotImplemented):
        return class_name(kind)[1].encode() + marshal.dumps(element, 2)  # type: ignore[arg-type]
    return xxhash.xxh3_128_digest(_content(reducer, element, _DEPTH))


def _content(reducer: Callable[[Any], tuple[Any, ...]], value: Any, depth: int) -> bytes:
    kind = type(value)
    name = ".".join(class_name(kind)).encode()
    if is_atom(value):
        return name + pickle.dumps(value, 5)
    if depth == 0:
        return name
    if kind is list or kind is tuple:
        items = list(value)
    elif kind is dict:
        items = [*value, *value.values()]
    elif kind is set or kind is frozenset:
        inner = sorted(_content(reducer, item, depth - 1) for item in value)
        return name + b"".join(inner)
    else:
        try:
            items = list(reducer(value))
        except CannotReduceError:
            return name
    head = name + len(items).to_bytes(8, "little")
    if not all_atoms(items):
        items = items[:_BREADTH]  # sets of graph nodes must not cost a walk of the graph per element
    return head + b"".join(
        len(part).to_bytes(8, "little") + part for part in (_content(reducer, item, depth - 1) for item in items)
    )
