"""The parts of functions, classes and what they are made of: code and live state, or a name when installed."""

from __future__ import annotations

import abc
import functools
import gc
import random
import types
from typing import TYPE_CHECKING, Any, Final, Protocol

from durable_nb.values.code import code_digest
from durable_nb.values.kinds import class_dict, class_name, found_by_name
from durable_nb.values.modules import package_version
from durable_nb.values.packages import is_standard
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable

Parts = tuple[Any, ...]

# Made by Python for its own use: layout, caches, or in an order that follows the hash seed.
DERIVED: Final = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__module__",
        "__doc__",
        "__qualname__",
        "__firstlineno__",
        "__static_attributes__",
        "__abstractmethods__",
        "_abc_impl",
        "__annotations_cache__",
        "__slotnames__",
        "__pydantic_core_schema__",
        "__pydantic_validator__",
        "__pydantic_serializer__",
        "__pydantic_parent_namespace__",
        "_member_map_",
        "_value2member_map_",
        "_hashable_values_",
        "_unhashable_values_",
        "_unhashable_values_map_",
    }
)
# What lru_cache itself puts on a function that it wraps.
_OF_A_WRAPPER: Final = frozenset({*functools.WRAPPER_ASSIGNMENTS, "__wrapped__", "cache_parameters"})
_HEAP_TYPE: Final = 1 << 9


class Collector(Protocol):
    """What takes note of the functions whose globals have to be looked at."""

    functions: list[types.FunctionType]
    inside: bool


def function_parts(collector: Collector, func: types.FunctionType) -> Parts:
    """Return the parts of a function: code, live defaults, closure and attributes; name and version when installed."""
    if found_by_name(func.__module__, func.__qualname__, func):
        return _named("=function", func.__module__, func.__qualname__)
    attributes = func.__dict__
    if "registry" in attributes and func.__code__.co_filename == functools.__file__:
        # singledispatch: its closure also holds a cache of weak references.
        return ("singledispatch", func.__qualname__, attributes["registry"])
    collector.functions.append(func)
    return (
        "function",
        b"" if collector.inside else code_digest(func.__code__),
        func.__qualname__,
        func.__defaults__,
        func.__kwdefaults__,
        func.__closure__,
        attributes,
        _annotations(func),
        # What a package's decorator made: the rest of the package is not looked at.
        package_version(str(func.__globals__.get("__name__"))),
    )


def _named(tag: str, module: str, qualname: str) -> Parts:
    return (tag, module, qualname, package_version(module))


def class_parts(collector: Collector, kind: type) -> Parts:
    """Return the parts of a class: bases and attributes, or name and version when it is built in or installed.

    The version counts in values of the class, too: their methods are the package's code. Not so in the standard
    library, which is in every value, and whose version is a part of all code anyway.
    """
    del collector
    module, qualname = class_name(kind)
    if not kind.__flags__ & _HEAP_TYPE or found_by_name(module, qualname, kind):
        return ("=class", module, qualname) if is_standard(module) else _named("=class", module, qualname)
    own = class_dict(kind)
    members = own.get("_member_map_")
    values: dict[str, Any] = {}
    if type(members) is dict:
        values = {name: member._value_ for name, member in members.items()}
    attributes = {
        name: own[name]
        for name in sorted(own)
        if name not in DERIVED and name not in values and not _is_layout(own[name])
    }
    meta = type(kind)
    bases = type.__dict__["__bases__"].__get__(kind)
    return ("class", qualname, meta, bases, attributes, values, *_registered(kind))


def _registered(kind: type) -> list[type]:
    """Return the classes that an abstract class was told to take for subclasses, in an order of their names."""
    if not isinstance(kind, abc.ABCMeta):
        return []
    found = (reference() for reference in abc._get_dump(kind)[0])  # type: ignore[attr-defined]  # noqa: SLF001
    return sorted((each for each in found if each is not None), key=class_name)


def _is_layout(attribute: object) -> bool:
    """Tell whether an attribute is the storage of a slot, which ``__slots__`` says already."""
    return type(attribute) is types.MemberDescriptorType


def _annotations(func: types.FunctionType) -> object:
    lazily = getattr(func, "__annotate__", None)  # from Python 3.14 on reading them runs code
    return func.__annotations__ if lazily is None else lazily


def _builtin(_: Collector, func: Any) -> Parts:
    owner = func.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return _named("=builtin", str(func.__module__), func.__qualname__)
    if owner is random._inst:  # noqa: SLF001 - the stream itself is recorded apart
        return ("=builtin", "random", func.__name__)
    return ("bound", func.__name__, owner)


def _method(_: Collector, method: types.MethodType) -> Parts:
    return ("method", method.__func__, method.__self__)


def _method_wrapper(_: Collector, method: Any) -> Parts:
    return ("bound", method.__name__, method.__self__)


def _descriptor(_: Collector, descriptor: Any) -> Parts:
    return ("=descriptor", descriptor.__objclass__, descriptor.__name__)


def _property(_: Collector, value: Any) -> Parts:
    return ("property", value.fget, value.fset, value.fdel)


def _wrapped(_: Collector, value: Any) -> Parts:
    return (type(value).__name__, value.__func__)


def _cached_property(_: Collector, value: Any) -> Parts:
    return ("cached_property", value.func, value.attrname)  # not its lock


def _lru_cache(_: Collector, value: Any) -> Parts:
    attributes = value.__dict__
    if found_by_name(attributes.get("__module__"), attributes.get("__qualname__"), value):
        return _named("=function", attributes["__module__"], attributes["__qualname__"])
    inner = attributes.get("__wrapped__")
    if inner is None:
        raise CannotReduceError("functools._lru_cache_wrapper", "it has no __wrapped__ function")
    settings = attributes.get("cache_parameters")
    own = {name: each for name, each in attributes.items() if name not in _OF_A_WRAPPER}
    return ("lru_cache", inner, None if settings is None else settings(), own)


def _cell(_: Collector, cell: types.CellType) -> Parts:
    try:
        return ("cell", cell.cell_contents)
    except ValueError:  # the variable is not bound yet
        return ("cell",)


def _code(_: Collector, code: types.CodeType) -> Parts:
    return ("=code", code_digest(code))


def _mapping_proxy(_: Collector, proxy: Any) -> Parts:
    # The mapping behind it, without running that mapping's code.
    return ("mappingproxy", *gc.get_referents(proxy))


DEFINITIONS: Final[dict[type, Callable[[Any, Any], Parts]]] = {
    types.FunctionType: function_parts,
    type: class_parts,
    types.BuiltinFunctionType: _builtin,
    types.MethodType: _method,
    types.MethodWrapperType: _method_wrapper,
    types.MethodDescriptorType: _descriptor,
    types.WrapperDescriptorType: _descriptor,
    types.GetSetDescriptorType: _descriptor,
    types.MemberDescriptorType: _descriptor,
    types.ClassMethodDescriptorType: _descriptor,
    property: _property,
    staticmethod: _wrapped,
    classmethod: _wrapped,
    functools.cached_property: _cached_property,
    functools._lru_cache_wrapper: _lru_cache,  # noqa: SLF001 - its only name
    types.CellType: _cell,
    types.CodeType: _code,
    types.MappingProxyType: _mapping_proxy,
}
