"""The user's namespace: what a cell changed in it, putting it back, and binding what a checkpoint holds."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from durable_nb.values.kinds import is_atom

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from IPython.core.interactiveshell import InteractiveShell

_INTERNAL = re.compile(r"_+|_i+|_i?\d+|_[dio]h|_exit_code|__durable_step__|__session__|__vsc_ipynb_file__")
"""IPython's own names: results, inputs, histories."""
_is_internal = lru_cache(maxsize=4096)(lambda name: _INTERNAL.fullmatch(name) is not None)
_LAST_RESULTS = frozenset({"_", "__", "___"})
CONSTANT_NAMES = frozenset(
    {"get_ipython", "exit", "quit", "open", "display", "__name__", "__builtin__", "__builtins__"}
)
"""IPython's own names that mean the same in every kernel."""
_INTERNAL_WORDS = CONSTANT_NAMES | {"In", "Out"}


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to the namespace: names bound to another object, and names deleted."""

    bound: frozenset[str]
    deleted: frozenset[str]


class Namespace:
    """The names a notebook's user can see.

    Attributes:
        names: the live dictionary; never copied into a checkpoint.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._transformed: dict[str, str] = {}
        self.names: dict[str, Any] = shell.user_ns

    def transform(self, source: str) -> str:
        """Return a cell's source as Python, after IPython's own transform."""
        known = self._transformed.get(source)
        return self._shell.transform_cell(source) if known is None else known

    def cell_begins(self, source: str, transformed: str | None) -> None:
        """Take over what IPython made of the cell that begins, where it tells."""
        self._transformed = {} if transformed is None else {source: transformed}

    def is_user(self, name: str) -> bool:
        """Say whether a name is the user's own rather than IPython's."""
        hidden = self._shell.user_ns_hidden
        unset = object()
        if name in _LAST_RESULTS:
            # As IPython tells it, which leaves them alone once somebody binds one: `_ = gettext.gettext`.
            mine = hidden[name] if name in hidden else getattr(self._shell.displayhook, name, unset)
            return name in self.names and self.names[name] is not mine
        if name[:1] == "_" and _is_internal(name):
            return False
        if name in _INTERNAL_WORDS or name in hidden:
            return hidden.get(name, unset) is not self.names.get(name, unset)
        return True

    def snapshot(self) -> Snapshot:
        """Return the namespace as it is: names and the objects they are bound to."""
        special = self._shell.user_ns_hidden.keys() | _INTERNAL_WORDS
        return Snapshot(
            self,
            {
                name: value
                for name, value in self.names.items()
                if (name[:1] != "_" and name not in special) or self.is_user(name)
            },
        )

    def pick(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those of ``names`` that are bound by the user, with their objects."""
        return {name: self.names[name] for name in sorted(names) if name in self.names and self.is_user(name)}

    def bind(self, values: Mapping[str, Any], deleted: Iterable[str]) -> None:
        """Bind names as a checkpoint has them; the values are decoded before, so it is all or nothing."""
        for name in deleted:
            self.names.pop(name, None)
        self.names.update(values)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment of the namespace; keeps the objects alive, so that identities can be compared."""

    namespace: Namespace
    values: dict[str, Any]

    def changes(self) -> Changes:
        """Return what changed since; equality is identity here, mutation is found by fingerprints."""
        unset = object()
        now = self.namespace.snapshot().values
        bound = {name for name, value in now.items() if self.values.get(name, unset) is not value}
        return Changes(frozenset(bound), frozenset(self.values.keys() - now.keys()))

    def held_beside(self, read: Mapping[str, object]) -> dict[str, Any]:
        """Return the variables that are not read, are bound as they were, and that more refers to than they do.

        No other can be in what a step made. It is told by the numbers of references, at no cost.
        """
        now = self.namespace.names
        left = {name: value for name, value in self.values.items() if now.get(name) is value}
        own = Counter(map(id, (*left.values(), *left.values(), *self.values.values())))  # `left`, `now`, `self.values`
        references = zip(left.items(), _references(left), strict=True)
        more = {name: value for (name, value), number in references if number > own[id(value)]}
        return {name: value for name, value in more.items() if name not in read and _is_own(value, now)}

    def put_back(self) -> None:
        """Undo rebinding and deletion."""
        changes = self.changes()
        names = self.namespace.names
        for name in changes.bound - self.values.keys():
            del names[name]
        for name in (changes.bound & self.values.keys()) | changes.deleted:
            names[name] = self.values[name]


def _references(values: Mapping[str, object]) -> list[int]:
    """Return how many references there are to each value but for those of the one who counts."""
    return [number - _COUNTING for number in map(sys.getrefcount, values.values())]


_COUNTING = next(map(sys.getrefcount, {"": object()}.values())) - 1


def _is_own(value: object, names: Mapping[str, object]) -> bool:
    """Say whether a value is an object of the notebook, and neither an atom nor a module or what one defines."""
    if isinstance(value, type):
        return value.__module__ == names.get("__name__")
    if isinstance(value, FunctionType):
        return value.__globals__ is names
    return not is_atom(value) and not isinstance(value, (ModuleType, BuiltinFunctionType))
