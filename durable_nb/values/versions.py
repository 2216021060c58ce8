"""Versions of the modules a stream refers to."""

from __future__ import annotations

import functools
import sys
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN = frozenset({"__main__", "cloudpickle", "durable_nb", "__mp_main__"})


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return name and version ("" where unknown) of top-level modules but the standard library."""
    wanted = sorted(set(names) - _OWN - sys.stdlib_module_names)
    # Cython registers a module for its types that nobody can import.
    return {name: version(name) for name in wanted if not name.startswith("_cython_")}


def version(name: str) -> str:
    """Return a module's ``__version__``, else that of the distribution of its name, else ""."""
    own = getattr(sys.modules.get(name), "__version__", None)
    return own if isinstance(own, str) else _distribution_version(name)


@functools.cache
def _distribution_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
