"""Where a live object is found: the name of an input, then the steps that lead inside it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from durable_nb.values.views import view_of, view_of_elements, view_of_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


Step = tuple[Literal["item", "attr", "key", "value", "view", "elements", "objects"], Any]
Address = tuple[str, tuple[Step, ...]]

# Values without an identity worth keeping: never referred to, never counted as shared.
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})


def resolve(address: Address, roots: Callable[[str], object]) -> object:
    """Walk an address from its root to the live object it names.

    Args:
        address: root name, then steps: ``("item", key)``, ``("attr", name)``, ``("key", number)`` and
            ``("value", number)`` in the order of a dict, ``("view", place)`` of an array's memory,
            ``("elements", place)`` some elements of an array as a view, ``("objects", place)`` of one of objects.
        roots: gives the live object of a root name, or raises ``LookupError``.

    Raises:
        LookupError, AttributeError, TypeError: a step leads nowhere any more.
    """
    name, steps = address
    found: Any = roots(name)
    for kind, key in steps:
        found = _STEPS[kind](found, key)
    return found


def _nth(items: Iterable[object], number: int) -> object:
    for each in islice(items, number, None):
        return each
    raise LookupError(number)


_STEPS: Final[dict[str, Callable[[Any, Any], object]]] = {
    "item": lambda found, key: found[key],
    "attr": getattr,
    # Of a dict whose keys cannot be written down: by their order, which is part of its fingerprint.
    "key": _nth,
    "value": lambda found, number: _nth(found.values(), number),
    "view": view_of,
    "elements": view_of_elements,
    "objects": view_of_objects,
}


def describe(address: Address) -> str:
    """Show an address as the Python expression a user would write: ``model.layers[0]``."""
    name, steps = address
    return name + "".join(_show(kind, key) for kind, key in steps)


def _show(kind: str, key: Any) -> str:
    return f"[{key!r}]" if kind == "item" else f".{key}" if kind == "attr" else "[…]"
