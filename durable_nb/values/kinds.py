"""Which values are atoms (identity never matters) and which objects are told by their name alone."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import sys
import types
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from durable_nb.values.modules import is_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

# The C pickler writes these by value, without a look at their identity, when its memo is off.
PLAIN_ATOMS: Final[frozenset[type]] = frozenset(
    {type(None), bool, int, float, str, bytes, type(...), type(NotImplemented)}
)
# These it writes as (type, arguments); their types are put into its memo, so that it stays in C.
CALL_ATOMS: Final[tuple[type, ...]] = (
    complex,
    range,
    dt.datetime,
    dt.date,
    dt.time,
    dt.timedelta,
    dt.timezone,
    decimal.Decimal,
    fractions.Fraction,
)
ATOMS: Final[frozenset[type]] = PLAIN_ATOMS | frozenset(CALL_ATOMS)
# Of these only values without a time zone are atoms: a tzinfo may be any object.
ZONED: Final[frozenset[type]] = frozenset({dt.datetime, dt.time})
CONTAINERS: Final[frozenset[type]] = frozenset({list, tuple, dict})

_SMALL: Final = 16
_MOST_KINDS: Final = 4096
_NAMESPACES: Final = frozenset({dict, types.MappingProxyType})
_WRAPPED: Final = frozenset({staticmethod, classmethod})
_TYPE_DICT: Final = type.__dict__["__dict__"]
_TYPE_MODULE: Final = type.__dict__["__module__"]
_TYPE_QUALNAME: Final = type.__dict__["__qualname__"]


def is_atom(value: object) -> bool:
    """Tell whether a value is equal to its copies in every respect, and holds no other object."""
    kind = type(value)
    return kind in ATOMS and (kind not in ZONED or value.tzinfo is None)  # type: ignore[attr-defined]


def all_atoms(values: Iterable[object]) -> bool:
    """Tell whether all values are atoms."""
    listed = list(values)
    kinds = set(map(type, listed))
    return kinds <= ATOMS and (kinds.isdisjoint(ZONED) or all(map(is_atom, listed)))


def is_small_tuple(value: object) -> bool:
    """Tell whether a value is a tuple of at most 16 atoms, nested ones included: then it is an atom too.

    Python shares such tuples as it likes (constants are folded), so their identity must not count.
    """
    if type(value) is not tuple:
        return False
    budget = _SMALL
    pending: list[tuple[object, ...]] = [value]
    while pending:
        items = pending.pop()
        budget -= len(items) + 1
        if budget < -1:
            return False
        for item in items:
            if type(item) is tuple:
                pending.append(item)
            elif not is_atom(item):
                return False
    return True


def class_dict(kind: type) -> types.MappingProxyType[str, Any]:
    """Return a class's own attributes without running a metaclass's code."""
    proxy: types.MappingProxyType[str, Any] = _TYPE_DICT.__get__(kind)
    return proxy


def attributes_of(obj: Any) -> object:
    """Return an object's own dict of attributes, without running a property of that name."""
    for base in type.__dict__["__mro__"].__get__(type(obj)):
        descriptor = class_dict(base).get("__dict__")
        if descriptor is not None:
            if type(descriptor) is types.GetSetDescriptorType:
                return descriptor.__get__(obj)
            return obj.__dict__ if type(descriptor) is types.MemberDescriptorType else None
    return None


def class_name(kind: type) -> tuple[str, str]:
    """Return (module, qualname) of a class without running a metaclass's code."""
    module, qualname = _TYPE_MODULE.__get__(kind), _TYPE_QUALNAME.__get__(kind)
    return (module if type(module) is str else "?", qualname)


class Kinds(dict[type, T], Generic[T]):
    """What was found out of classes, which is kept for those of packages; a notebook's come and go.

    Args:
        find_out: is asked for what is not known yet.
    """

    def __init__(self, find_out: Callable[[type], T]) -> None:
        super().__init__()
        self._find_out = find_out

    def __missing__(self, kind: type) -> T:
        """Find it out; at the speed of a dict where it is known."""
        found = self._find_out(kind)
        if not is_local(class_name(kind)[0]):
            if len(self) >= _MOST_KINDS:
                self.clear()
            self[kind] = found
        return found


_MRO_NAMES: Final = Kinds(
    lambda kind: tuple(".".join(class_name(base)) for base in type.__dict__["__mro__"].__get__(kind))
)


def data_kind(kind: type) -> type | tuple[str, str]:
    """Return what stands for the class of an array or a table: the name alone of an installed one.

    Such values are data, as lists are: a new version of their package makes no other values of them.
    """
    name = class_name(kind)
    return name if found_by_name(*name, kind) else kind


def mro_names(kind: type) -> tuple[str, ...]:
    """Return ``module.qualname`` of a class and its bases, nearest first."""
    return _MRO_NAMES[kind]


def found_by_name(module: object, qualname: object, value: object) -> bool:
    """Tell whether a class or function is what its installed module holds under its own name.

    Only dictionaries are read: a module's ``__getattr__`` or a descriptor never runs. Local modules and the
    notebook never count, because what they hold changes while their names stay.
    """
    if type(module) is not str or type(qualname) is not str or is_local(module):
        return False
    loaded = sys.modules.get(module)
    here: object = loaded.__dict__ if isinstance(loaded, types.ModuleType) else None
    for part in qualname.split("."):
        if issubclass(type(here), type):
            here = class_dict(here)  # type: ignore[arg-type]
        if type(here) not in _NAMESPACES or part not in here:  # type: ignore[operator]
            return False
        here = here[part]  # type: ignore[index]
        if type(here) in _WRAPPED:
            here = here.__func__  # type: ignore[attr-defined]
    return here is value
