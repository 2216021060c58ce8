"""Attributes of modules that code reads or assigns: inputs, and changes that a replay would not make again."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from durable_nb.core.environ import nested_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMES = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_WATCHED = frozenset({("pandas", "options")})
"""Compared and made again as settings of the process."""
_ATOMS = (type(None), bool, int, float, complex, str, bytes)


class _Chains(NamedTuple):
    """Dotted names in code, as tuples that begin with a global: those read, and those assigned or deleted."""

    read: frozenset[tuple[str, ...]]
    stored: frozenset[tuple[str, ...]]


def assigned(codes: Iterable[CodeType], names: Mapping[str, Any]) -> str | None:
    """Return the first attribute of a module, or of something inside one, that code assigns; None without any."""
    for chain in sorted(chain for code in codes for chain in _chains(code).stored):
        module = names.get(chain[0])
        if isinstance(module, ModuleType) and (module.__name__, chain[1]) not in _WATCHED:
            return ".".join(chain)
    return None


def read(codes: Iterable[CodeType], names: Mapping[str, Any]) -> dict[str, str]:
    """Return the plain values among attributes of modules that code reads: dotted name -> digest."""
    found = {}
    for chain in sorted(chain for code in codes for chain in _chains(code).read):
        module = _module(chain[:-1], names)
        if module is not None and isinstance(vars(module).get(chain[-1], module), _ATOMS):
            found[".".join(chain)] = _digest(chain, names)
    return found


def changed(recorded: Mapping[str, str], names: Mapping[str, Any]) -> str | None:
    """Return the first attribute that has another value than when it was recorded."""
    return next((name for name, digest in recorded.items() if _digest(tuple(name.split(".")), names) != digest), None)


def _digest(chain: tuple[str, ...], names: Mapping[str, Any]) -> str:
    module = _module(chain[:-1], names)
    value = vars(module).get(chain[-1], module) if module is not None else None
    if module is None or not isinstance(value, _ATOMS):
        return ""
    return xxhash.xxh3_64_hexdigest(f"{type(value).__name__} {value!r}".encode(errors="surrogateescape"))


def _module(chain: tuple[str, ...], names: Mapping[str, Any]) -> ModuleType | None:
    """Resolve a dotted name through modules only, which runs no code of anybody's."""
    found = names.get(chain[0])
    for name in chain[1:]:
        found = vars(found).get(name) if isinstance(found, ModuleType) else None
    return found if isinstance(found, ModuleType) else None


@lru_cache(maxsize=4096)
def _chains(code: CodeType) -> _Chains:
    reads: set[tuple[str, ...]] = set()
    stores: set[tuple[str, ...]] = set()
    for each in nested_codes(code):
        chain: tuple[str, ...] = ()
        for instruction in dis.get_instructions(each):
            name = instruction.opname
            if name in _NAMES:
                chain = (str(instruction.argval),)
            elif chain and name in ("LOAD_ATTR", "LOAD_METHOD"):
                chain = (*chain, str(instruction.argval))
                reads.add(chain)
            elif chain and name in ("STORE_ATTR", "DELETE_ATTR"):
                stores.add((*chain, str(instruction.argval)))
                chain = ()
            elif name not in ("CACHE", "NOP", "PUSH_NULL", "EXTENDED_ARG"):
                chain = ()
    return _Chains(frozenset(reads), frozenset(stores))
