"""Notes when local modules are loaded and databases connected to, by audit events: nothing else tells afterwards."""

from __future__ import annotations

import functools
import sys
from typing import Any

from durable_nb.values.databases import EVENTS
from durable_nb.values.modules import note_loaded


@functools.cache
def watch_loads() -> None:
    """Note every module that is loaded or reloaded, and every connection, from now on; a second call changes nothing.

    By an audit hook, which cannot be removed; it costs one comparison per event.
    """
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "exec":
        code = args[0]
        if getattr(code, "co_name", "") == "<module>" and code.co_filename.endswith(".py"):
            note_loaded(code.co_filename)
    elif event in EVENTS:
        EVENTS[event](args)
