"""Attributes of modules that code reads (inputs) or assigns (made again by a replay; DESIGN §5 row 16)."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.core.recording import Unrecordable
from durable_nb.values.modules import is_local, local_modules, simple_data

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from durable_nb.core.codes import Codes

ModuleChanges = dict[str, tuple[dict[str, Any], list[str]]]
"""Attributes assigned and deleted, by the name of their module."""
_MAIN = "__main__"
_NO = object()
_WATCHED = frozenset({("pandas", "options")})
"""Compared and made again as settings of the process."""
_ATOMS = (type(None), bool, int, float, complex, str, bytes)


class ModuleWatch:
    """Finds which attributes of modules change: those that code assigns, and public ones of some modules.

    Args:
        codes: the code that will run.
        names: its globals.
        values: objects that it reads; of local modules among them any attribute may be changed unseen.
    """

    def __init__(self, codes: Codes, names: Mapping[str, Any], values: Iterable[object]) -> None:
        self._names = names
        self._stored = codes.stored
        local = [each for each in values if isinstance(each, ModuleType) and is_local(each.__name__)]
        reached = {name: module for each in local for name, module in local_modules(each).items() if name != _MAIN}
        self._before = [(module, _public(module), simple_data(module)) for module in reached.values()]

    def changes(self) -> ModuleChanges:
        """Return what was assigned and deleted, by the module's name.

        Raises:
            Unrecordable: something inside a module changed.
        """
        found: ModuleChanges = {}
        for chain in self._stored:
            first = self._names.get(chain[0])
            if not isinstance(first, ModuleType) or (first.__name__, chain[1]) in _WATCHED:
                continue
            owner = _module(chain[:-1], self._names)
            if owner is None:
                raise Unrecordable(f"it assigns {'.'.join(chain)}, which a replay would not assign again")
            _take(found, owner, {chain[-1]})
        for module, before, data in self._before:
            now = _public(module)
            _take(
                found,
                module,
                {name for name in now.keys() | before.keys() if now.get(name, _NO) is not before.get(name, _NO)},
            )
            _refuse_inner_change(module, data, found)
        return found


def _refuse_inner_change(module: ModuleType, before: dict[str, bytes], found: ModuleChanges) -> None:
    now = simple_data(module)
    made, deleted = found.get(module.__name__, ({}, []))
    for name in sorted(now.keys() | before.keys()):
        if now.get(name) != before.get(name) and name not in made and name not in deleted:
            raise Unrecordable(f"it changed {module.__name__}.{name}, which a replay would not change again")


def reaches_module(value: object, changes: ModuleChanges) -> bool:
    """Say whether a value is a local module whose fingerprint differs because of recorded changes."""
    if not changes or not isinstance(value, ModuleType) or not is_local(value.__name__):
        return False
    return not changes.keys().isdisjoint(local_modules(value))


def _take(found: ModuleChanges, module: ModuleType, names: Iterable[str]) -> None:
    for name in sorted(names):
        assigned, deleted = found.setdefault(module.__name__, ({}, []))
        if name in vars(module):
            assigned[name] = vars(module)[name]
        elif name not in deleted:
            deleted.append(name)


def _public(module: ModuleType) -> dict[str, Any]:
    """Return the public attributes; submodules come and go with imports and do not count."""
    found = list(vars(module).items())
    return {name: value for name, value in found if name[0] != "_" and not isinstance(value, ModuleType)}


def make_again(changes: ModuleChanges) -> None:
    """Assign and delete attributes as recorded.

    Raises:
        ImportError: a module is not there any more.
    """
    modules = {name: importlib.import_module(name) for name in changes}
    for name, (assigned, deleted) in changes.items():
        vars(modules[name]).update(assigned)
        for attribute in deleted:
            vars(modules[name]).pop(attribute, None)


def values_of(changes: ModuleChanges) -> dict[str, Any]:
    """Return the assigned values by their dotted names."""
    return {f"{module}.{name}": value for module, (made, _) in changes.items() for name, value in made.items()}


def read(codes: Codes, names: Mapping[str, Any]) -> dict[str, str]:
    """Return the plain values among attributes of modules that code reads: dotted name -> digest."""
    found = {}
    for chain in codes.read:
        module = _module(chain[:-1], names)
        if module is not None and isinstance(vars(module).get(chain[-1], module), _ATOMS):
            found[".".join(chain)] = _digest(chain, names)
    return found


def read_late(codes: Codes, names: Mapping[str, Any], known: Collection[str]) -> dict[str, str]:
    """Return what ``read`` finds once code has imported its modules, under their own names, but for what is known.

    In a fresh kernel the notebook's name for such a module is not bound yet.
    """
    found = {name: digest for name, digest in read(codes, names).items() if name not in known}
    owners = {name: _module(tuple(name.split(".")[:-1]), names) for name in found}
    return {f"{owner.__name__}.{name.rpartition('.')[2]}": found[name] for name, owner in owners.items() if owner}


def changed(recorded: Mapping[str, str], names: Mapping[str, Any]) -> str | None:
    """Return the first attribute that has another value than when it was recorded; a module not loaded has none."""
    for name, digest in recorded.items():
        chain = tuple(name.split("."))
        root = chain[0]
        around = names if isinstance(names.get(root), ModuleType) else sys.modules
        if root in around and _digest(chain, around) != digest:
            return name
    return None


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
