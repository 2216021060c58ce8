"""Which cell or call made a client: what tells stateless values apart that cannot be compared."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.databases import sqlite_serial
from durable_nb.values.kinds import class_name
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN: Final = "it is not known which cell made it: run that cell again"


class Provenance:
    """The keys of the cells and calls that made the clients of a notebook, by the identity of each client.

    No client is kept alive, and a new object at the address of an old one is not taken for it.
    """

    def __init__(self) -> None:
        self._keys: dict[int, tuple[Callable[[object], bool], bytes | str]] = {}

    def __call__(self, client: object) -> bytes:
        """Return the key of what made a client.

        Raises:
            CannotReduceError: it is not known, so the client equals nothing.
        """
        found = self.of(client)
        if isinstance(found, bytes):
            return found
        raise CannotReduceError(".".join(class_name(type(client))), found or UNKNOWN, registered=True)

    def __bool__(self) -> bool:
        """Say whether any client is known."""
        return bool(self._keys)

    def of(self, client: object) -> bytes | str | None:
        """Return the key of a client, why it has none, or None when it was never met."""
        known = self._keys.get(id(client))
        return known[1] if known is not None and known[0](client) else None

    def set(self, client: object, key: bytes | str) -> None:
        """Set the key of a client, or say why it has none."""
        is_same = self._recogniser(client)
        if is_same is not None:
            self._keys[id(client)] = (is_same, key)

    def forget(self) -> None:
        """Forget all: what was known may no longer hold."""
        self._keys.clear()

    def _recogniser(self, client: object) -> Callable[[object], bool] | None:
        """Return what tells whether an object of the same id is the same client; None when nothing can."""
        serial = sqlite_serial(client)
        if serial:
            return lambda other: sqlite_serial(other) == serial
        identity = id(client)
        try:
            reference = weakref.ref(client, lambda _: self._keys.pop(identity, None))
        except TypeError:
            return None
        return lambda other: reference() is other


class _Notebooks:
    """The provenance of each notebook's clients, by its namespace; there is one as a rule."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[dict[str, Any], Provenance]] = {}

    def attach(self, namespace: dict[str, Any], provenance: Provenance) -> None:
        self._by_id[id(namespace)] = (namespace, provenance)

    def detach(self, namespace: dict[str, Any]) -> None:
        self._by_id.pop(id(namespace), None)

    def of(self, namespace: dict[str, Any] | None) -> Provenance | None:
        found = self._by_id.get(id(namespace))
        return None if found is None else found[1]


_notebooks: Final = _Notebooks()


def attach(namespace: dict[str, Any], provenance: Provenance) -> None:
    """Let clients be told by their provenance wherever values of a namespace are compared."""
    _notebooks.attach(namespace, provenance)


def detach(namespace: dict[str, Any]) -> None:
    """Undo ``attach``."""
    _notebooks.detach(namespace)


def provenance_of(namespace: dict[str, Any] | None) -> Provenance | None:
    """Return what tells the clients of a namespace apart; None outside of notebooks."""
    return _notebooks.of(namespace)
