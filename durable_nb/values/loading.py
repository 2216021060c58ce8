"""Notes when local modules are loaded and databases connected to, by audit events: nothing else tells afterwards."""

from __future__ import annotations

import functools
from typing import Any

from durable_nb.values.audit import listen
from durable_nb.values.databases import EVENTS
from durable_nb.values.modules import note_loaded


@functools.cache
def watch_loads() -> None:
    """Note modules that are loaded or reloaded, and connections, from now on; a second call changes nothing."""
    listen(("exec",), _on_exec)
    listen(EVENTS, _on_connection)


def _on_exec(event: str, args: tuple[Any, ...]) -> None:  # noqa: ARG001 - there is one event
    code = args[0]
    if getattr(code, "co_name", "") == "<module>" and code.co_filename.endswith(".py"):
        note_loaded(code.co_filename)


def _on_connection(event: str, args: tuple[Any, ...]) -> None:
    EVENTS[event](args)
