"""Finds the clients below named values, without a look at data and without running anybody's code."""

from __future__ import annotations

import builtins
import gc
import sys
import types
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.arrays import REDUCERS
from durable_nb.values.kinds import ATOMS, attributes_of, class_name, found_by_name, mro_names
from durable_nb.values.modules import is_local, local_modules
from durable_nb.values.reduce import Parts, Reducer
from durable_nb.values.registry import registry
from durable_nb.values.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from durable_nb.values.budget import Budget


_MOST: Final = 100_000
"""So many objects are looked at to tell that there is no client at all."""
_ENDS: Final = frozenset(
    {
        types.ModuleType,
        types.CodeType,
        types.FrameType,
        types.GeneratorType,
        types.CoroutineType,
        types.AsyncGeneratorType,
    }
)
"""What leads to no client, or to everything; unless somebody registered it."""
_NO_HOLDERS: Final = frozenset({types.ModuleType, types.FunctionType, str, int, float, bool, type(None)})


class _Finder(Reducer):
    """Takes objects apart by their attributes alone: a ``__reduce__`` may take long, arrays hold no clients."""

    def _plan_by_base(self, kind: type) -> Callable[[Any], Parts]:
        if not REDUCERS.keys().isdisjoint(mro_names(kind)):
            return lambda _: ("data",)
        return super()._plan_by_base(kind)

    def _by_protocol(self, obj: Any) -> Parts:
        return ("object", type(obj), attributes_of(obj))


def find_clients(
    values: Mapping[str, object], namespace: dict[str, Any], budget: Budget
) -> Iterator[tuple[str, int, object]]:
    """Yield the clients below named values: the first name that leads to each, its number there, the client.

    Raises:
        TooLargeError: there is more to look at than the budget allows.
    """
    if not _may_hold(values.values(), namespace):
        return
    finder = _Finder(namespace, lambda _: b"", budget)
    for name in sorted(values):
        found = len(finder.clients)
        Walk(values[name], finder)
        yield from ((name, number, client) for number, client in enumerate(finder.clients[found:]))


def _may_hold(values: Iterable[object], namespace: dict[str, Any]) -> bool:
    """Say whether a client may be below some values: from the types of what they refer to, at the speed of C."""
    seen, level = {id(namespace), id(builtins.__dict__)}, list(values)
    while level and len(seen) <= _MOST:
        kinds = {kind: _place(kind) for kind in set(map(type, level))}
        if "client" in kinds.values():
            return True
        inner = [each for each in level if kinds[type(each)] == "inner"]
        parts = chain.from_iterable(_parts(each) for each in level if kinds[type(each)] == "definition")
        found = {id(each): each for each in chain(gc.get_referents(*inner), parts)}
        level = [found[new] for new in found.keys() - seen]
        seen |= found.keys()
    return bool(level)


def _place(kind: type) -> str:
    """Return where instances of a type are: "client", at the "end", "inner", or a "definition"."""
    if kind in ATOMS:
        return "end"
    return (_place_anew if is_local(class_name(kind)[0]) else _place_in_package)(kind, registry.version)


def _place_anew(kind: type, _: int) -> str:
    known = registry.find(kind)
    if known is not None and known.stateless:
        return "end" if known.alike else "client"
    if kind is types.FunctionType or issubclass(kind, type):
        return "definition"
    if kind in _ENDS:
        return "end"
    return "inner" if REDUCERS.keys().isdisjoint(mro_names(kind)) else "end"


# Classes of packages stay; those of a notebook come and go.
_place_in_package = lru_cache(maxsize=4096)(_place_anew)


def _parts(definition: Any) -> list[object]:
    """Return what a function or a class holds; nothing for those of a package."""
    if isinstance(definition, type):
        return [] if found_by_name(*class_name(definition), definition) else gc.get_referents(definition)
    if found_by_name(definition.__module__, definition.__qualname__, definition):
        return []
    return [
        definition.__defaults__,
        definition.__kwdefaults__,
        definition.__closure__,
        definition.__dict__,
        definition.__annotations__,
    ]


def holding_modules(
    values: Iterable[object], namespace: dict[str, Any]
) -> Iterator[tuple[types.ModuleType, dict[str, object]]]:
    """Yield the local modules that values are or come from, each with those of its names that may hold a client."""
    homes = {_home(value) for value in values}
    found: dict[str, types.ModuleType] = {}
    for name in sorted(home for home in homes if home and is_local(home)):
        module = sys.modules.get(name)
        if isinstance(module, types.ModuleType) and module.__dict__ is not namespace:
            found |= local_modules(module)
    for module in found.values():
        yield module, {name: value for name, value in list(vars(module).items()) if type(value) not in _NO_HOLDERS}


def _home(value: object) -> str:
    """Return the name of the module that a value is or comes from; "" for all but modules, functions and classes."""
    if isinstance(value, types.ModuleType):
        home = value.__dict__.get("__name__")
    elif isinstance(value, types.FunctionType):
        home = value.__module__
    elif isinstance(value, type):
        home = class_name(value)[0]
    else:
        return ""
    return home if type(home) is str else ""
