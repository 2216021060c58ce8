"""Finds the clients below named values, without a look at data and without running anybody's code."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.arrays import REDUCERS
from durable_nb.values.kinds import attributes_of, class_name, mro_names
from durable_nb.values.modules import is_local, local_modules
from durable_nb.values.reach import extent
from durable_nb.values.reduce import Parts, Reducer
from durable_nb.values.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from durable_nb.values.budget import Budget


MOST_REFERENCES: Final = 1000
"""So many references are followed to tell that there is no client: a figure leads over thousands, and holds none."""
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

    That there is any is told by what lies near the names; one far below something large is not found.

    Raises:
        TooLargeError: there is more to look at than the budget allows.
    """
    if not extent(values.values(), namespace, MOST_REFERENCES).meets_client:
        return
    finder = _Finder(namespace, lambda _: b"", budget)
    for name in sorted(values):
        found = len(finder.clients)
        Walk(values[name], finder)
        yield from ((name, number, client) for number, client in enumerate(finder.clients[found:]))


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
