"""What a forked child must not do to the store it inherited."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import TYPE_CHECKING, Protocol

from durable_nb.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable


class StoreDetached(StoreError):  # noqa: N818 - a state
    """This process is a forked child; only its parent may use the store."""


class HasHandles(Protocol):
    """What holds connections to DuckDB."""

    @property
    def closed(self) -> bool:
        """Whether the connections are gone."""

    @property
    def handles(self) -> tuple[object, ...]:
        """Everything that keeps DuckDB's instance alive."""

    def close(self) -> None:
        """Let go of it."""


def never_free_in_children(ledger: HasHandles) -> None:
    """Keep a forked child from destroying its copy of DuckDB's instance.

    The destructor would write a checkpoint into the file that the parent is writing.
    """
    if not hasattr(os, "register_at_fork"):
        return
    known = weakref.ref(ledger)

    def in_child() -> None:
        alive = known()
        for handle in () if alive is None or alive.closed else alive.handles:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))

    os.register_at_fork(after_in_child=in_child)


def weak_close(ledger: HasHandles) -> Callable[[], None]:
    """Return what closes the ledger at exit without keeping it alive until then."""
    known = weakref.ref(ledger)

    def close() -> None:
        if (alive := known()) is not None:
            alive.close()

    return close
