"""Listening to audit events through one hook of the process.

Every event costs the code that raises it a call of each hook, and ``id`` and ``getattr`` raise events, too: so there
is one hook, and it looks an event up once.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Listener = Callable[[str, tuple[Any, ...]], None]


def listen(events: Iterable[str], listener: Listener) -> None:
    """Call ``listener(event, arguments)`` at each of these events from now on; an audit hook cannot be removed.

    Args:
        events: their names.
        listener: what it raises, the code that raised the event gets; that code's frame is the second above it.
    """
    listeners = _listeners()
    for event in events:
        listeners[event] = (*listeners.get(event, ()), listener)


@functools.cache
def _listeners() -> dict[str, tuple[Listener, ...]]:
    listeners: dict[str, tuple[Listener, ...]] = {}

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in listeners:
            for listener in listeners[event]:
                listener(event, args)

    sys.addaudithook(hook)
    return listeners
