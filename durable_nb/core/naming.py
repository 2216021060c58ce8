"""Where a decorated function can be found by name: how steps and workflows are sent to other processes."""

from __future__ import annotations

import sys
from functools import reduce


def importable_name(thing: object) -> str | None:
    """Return the qualified name under which another process finds ``thing``, or None.

    A notebook's ``__main__`` is empty in every other process, and in this one after a restart: what was made there
    must be sent by its parts.
    """
    module = sys.modules.get(getattr(thing, "__module__", ""))
    name: str = getattr(thing, "__qualname__", "")
    if module is None or (module.__name__ == "__main__" and not hasattr(module, "__file__")):
        return None
    try:
        found = reduce(getattr, name.split("."), module)
    except AttributeError:  # made inside a function
        return None
    return name if found is thing else None
