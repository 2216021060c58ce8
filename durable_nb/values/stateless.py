"""The parts of stateless values: where they come from and lead, never what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.addresses import address_of
from durable_nb.values.databases import address, in_memory, open_transaction
from durable_nb.values.kinds import attributes_of, class_name, mro_names
from durable_nb.values.registry import registry
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable

Parts = tuple[Any, ...]

_LOCKS: Final = frozenset({"_thread.lock", "_thread.RLock"})


def alike_parts(obj: Any) -> Parts:
    """Return the parts of a lock or a pool: its type, and whether a lock is held or an event is set."""
    return ("stateless", *class_name(type(obj)), *_held(obj))


def _held(obj: Any) -> list[str]:
    """Return the state of a lock as its text shows it: an RLock cannot be asked before Python 3.14."""
    names = set(mro_names(type(obj)))
    if not names.isdisjoint(_LOCKS):
        return ["locked"] if repr(obj).startswith("<locked") else []
    return [repr(obj).partition("[")[2]] if any(name.startswith("asyncio.locks.") for name in names) else []


def client_parts(obj: Any, provenance: Callable[[object], bytes] | None) -> Parts:
    """Return the parts of a client: its type, what made it, and the address that shows.

    Args:
        obj: the client.
        provenance: client -> the key of what made it; None where there are no cells, which leaves the type.

    Raises:
        CannotReduceError: what made it is not known.
    """
    if provenance is not None:
        attributes = attributes_of(obj)
        return ("client", type(obj), provenance(obj), address_of(attributes) if type(attributes) is dict else ())
    known = registry.find(type(obj))
    if known is None or not known.database:
        return alike_parts(obj)
    leads_to = address(obj)
    if not leads_to:
        raise _cannot(obj, "outside of a notebook a connection equals nothing: pass its address instead")
    return (*alike_parts(obj), leads_to)


def refuse_state(connection: Any) -> None:
    """Raise for a connection to a database with a state of its own.

    Raises:
        CannotReduceError: it is in memory, or a transaction is open.
    """
    why = in_memory(connection)
    if why is not None:
        raise _cannot(connection, why)
    if open_transaction(connection):
        raise _cannot(connection, "a transaction is open on it: commit() or rollback() before the step")


def _cannot(obj: object, why: str) -> CannotReduceError:
    return CannotReduceError(".".join(class_name(type(obj))), why)
