"""Environment variables that code names: inputs like any other (DESIGN §5 row 16)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durable_nb.core.codes import Codes


def variables_named(codes: Codes) -> dict[str, str]:
    """Return the environment variables that code names and may read: name -> digest of the value, "" when unset.

    Values are not kept: they may be secrets.
    """
    return {name: _digest(name) for name in codes.variables}


def changed_variable(recorded: Mapping[str, str]) -> str | None:
    """Return the first variable that has another value than when it was recorded."""
    return next((name for name, digest in recorded.items() if _digest(name) != digest), None)


def _digest(name: str) -> str:
    value = os.environ.get(name)
    return "" if value is None else xxhash.xxh3_128_hexdigest(value.encode(errors="surrogateescape"))
