"""Environment variables that code names: inputs like any other (DESIGN §5 row 16)."""

from __future__ import annotations

import os
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_READERS = frozenset({"environ", "getenv", "environb", "expandvars"})
_FOLDER_READERS = frozenset({"getcwd", "getcwdb", "cwd", "absolute", "abspath", "resolve", "realpath"})
MAX_NAME = 200


def variables_named(codes: Iterable[CodeType]) -> dict[str, str]:
    """Return the environment variables that code names and may read: name -> digest of the value, "" when unset.

    Values are not kept: they may be secrets.
    """
    names = {name for code in codes for name in _names(code)}
    return {name: _digest(name) for name in sorted(names)}


def depends_on_folder(codes: Iterable[CodeType]) -> bool:
    """Say whether code names a means to ask for the current folder."""
    return any(_FOLDER_READERS.intersection(each.co_names) for code in codes for each in nested_codes(code))


def changed_variable(recorded: Mapping[str, str]) -> str | None:
    """Return the first variable that has another value than when it was recorded."""
    return next((name for name, digest in recorded.items() if _digest(name) != digest), None)


@lru_cache(maxsize=4096)
def _names(code: CodeType) -> frozenset[str]:
    """Return the texts in a code object that may name variables; none when it has no means to read any."""
    codes = nested_codes(code)
    if not any(_READERS.intersection(each.co_names) for each in codes):
        return frozenset()
    texts = {const for each in codes for const in each.co_consts if isinstance(const, str)}
    return frozenset(text for text in texts if 0 < len(text) <= MAX_NAME and text.isidentifier())


def nested_codes(code: CodeType) -> list[CodeType]:
    """Return a code object and those inside of it."""
    found = [code]
    for each in found:
        found += [const for const in each.co_consts if isinstance(const, CodeType)]
    return found


def _digest(name: str) -> str:
    value = os.environ.get(name)
    return "" if value is None else xxhash.xxh3_128_hexdigest(value.encode(errors="surrogateescape"))
