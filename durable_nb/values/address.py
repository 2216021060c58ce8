"""Where a live object is found: the name of an input, then the steps that lead inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from durable_nb.values.views import view_of

if TYPE_CHECKING:
    from collections.abc import Callable


Step = tuple[Literal["item", "attr", "view"], Any]
Address = tuple[str, tuple[Step, ...]]

# Values without an identity worth keeping: never referred to, never counted as shared.
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented)})


def resolve(address: Address, roots: Callable[[str], object]) -> object:
    """Walk an address from its root to the live object it names.

    Args:
        address: root name, then ``("item", key)``, ``("attr", name)`` or ``("view", place)`` steps.
        roots: gives the live object of a root name, or raises ``LookupError``.

    Raises:
        LookupError, AttributeError, TypeError: a step leads nowhere any more.
    """
    name, steps = address
    found: Any = roots(name)
    for kind, key in steps:
        found = found[key] if kind == "item" else getattr(found, key) if kind == "attr" else view_of(found, key)
    return found


def describe(address: Address) -> str:
    """Show an address as the Python expression a user would write: ``model.layers[0]``."""
    name, steps = address
    return name + "".join(_show(kind, key) for kind, key in steps)


def _show(kind: str, key: Any) -> str:
    return f"[{key!r}]" if kind == "item" else f".{key}" if kind == "attr" else "[…]"
