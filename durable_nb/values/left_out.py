"""Attributes of an object that its pickle leaves out, or that loading does: a copy made by it would be without them.

A compiled class whose subclass is written in Python, as KDTree is, takes any attribute and pickles its own state only.
"""

from __future__ import annotations

import copyreg
import types
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values import rebuild
from durable_nb.values.code import all_codes
from durable_nb.values.kinds import ATOMS, Kinds, attributes_of, class_dict, class_name
from durable_nb.values.modules import is_local
from durable_nb.values.refusing import asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEFT_OUT: Final = "left out"
"""The last but one of the parts of an object with such attributes, which are the last."""
_DECIDE: Final = ("__reduce_ex__", "__reduce__", "__getstate__")
# Their types save what attributes there are, and differently once somebody asked for them.
_CARRYING: Final = frozenset({"builtins", "_io"})
_DEEP: Final = 3


def own_names(kind: type) -> frozenset[str] | None:
    """Return the attributes that the packages of a class handle themselves, whatever they pickle.

    Returns:
        None where nothing is left out, or a class of the user's own decides what is.
    """
    return _OWN_NAMES[kind]


def _own_names(kind: type) -> frozenset[str] | None:
    mro = type.__dict__["__mro__"].__get__(kind)
    decides = next(base for base in mro if not class_dict(base).keys().isdisjoint(_DECIDE))
    local = [base for base in mro if is_local(class_name(base)[0])]
    if class_name(decides)[0] in _CARRYING or decides in local or not any("__dict__" in class_dict(b) for b in mro):
        return None
    return frozenset(name for base in mro for name in (() if base in local else _MENTIONED[base]))


def _mentioned(kind: type) -> set[str]:
    names = set(class_dict(kind))
    for value in class_dict(kind).values():
        for code in (part.__code__ for part in _functions(value) if type(part) is types.FunctionType):
            for nested in all_codes(code):
                names.update(nested.co_names)
    return names


def _functions(value: Any) -> tuple[Any, ...]:
    """Return what may be functions of an attribute of a class."""
    kind = type(value)
    if kind is types.FunctionType or kind in ATOMS:
        return (value,)
    if kind is property:
        return value.fget, value.fset
    return tuple(getattr(value, each, None) for each in ("__func__", "fget", "fset", "func"))


_OWN_NAMES: Final = Kinds(_own_names)
_MENTIONED: Final = Kinds(_mentioned)


def may_ignore_attributes(kind: type) -> bool:
    """Say whether all attributes of a package's class are saved, but the class itself decides which it takes back."""
    mro = type.__dict__["__mro__"].__get__(kind)
    takes = next((base for base in mro if "__setstate__" in class_dict(base)), None)
    if takes is None or is_local(class_name(takes)[0]) or kind in copyreg.dispatch_table:
        return False
    return all(base is object or class_dict(base).keys().isdisjoint(_DECIDE) for base in mro)


def may_answer_for_itself(kind: type) -> bool:
    """Say whether instances are asked for ``__setstate__``, which they do not have, by their own ``__getattr__``.

    An empty instance that is being loaded has no answer: ``return getattr(self._wrapped, name)`` recurses for ever.
    """
    names = set[str]().union(*(class_dict(base) for base in type.__dict__["__mro__"].__get__(kind)[:-1]))
    own = names.isdisjoint({"__setstate__", "__reduce__", "__reduce_ex__"})
    return "__getattr__" in names and own and kind not in copyreg.dispatch_table


def left_out(obj: object, own: frozenset[str]) -> dict[str, Any]:
    """Return the public attributes of an object that nobody would find in its pickle.

    Args:
        obj: an instance of a class.
        own: ``own_names`` of this class.
    """
    attributes = attributes_of(obj)
    if type(attributes) is not dict:
        return {}
    found = {name: value for name, value in attributes.items() if name not in own and name[:1] != "_"}
    if not found:
        return {}
    carried = set(_names_in(asked(obj)))
    return {name: value for name, value in found.items() if name not in carried}


def complete(reducer: Any, own: frozenset[str]) -> Callable[[Any, Any], Any]:
    """Return a reducer that saves such attributes as well, and gives them back to an object that has its own state.

    Args:
        reducer: what takes the objects apart; None where pickle's own way is right.
        own: ``own_names`` of their class.
    """

    def reduce(pickler: Any, obj: Any) -> Any:
        reduced, lost = NotImplemented if reducer is None else reducer(pickler, obj), left_out(obj, own)
        if not lost:
            return reduced
        parts = asked(obj) if reduced is NotImplemented else reduced
        call, args, state, items, pairs, setter = (*parts, None, None, None, None)[:6]
        return call, args, (state, setter, lost), items, pairs, rebuild.set_with_left_out

    return reduce


def _names_in(reduced: object) -> Iterator[object]:
    """Yield the keys of the dicts among the outer parts of a reduced object."""
    level = [reduced]
    for _ in range(_DEEP):
        yield from (key for part in level if type(part) is dict for key in part)
        level = [each for part in level if type(part) in (tuple, list) for each in part]  # type: ignore[attr-defined]
