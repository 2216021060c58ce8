"""What a stream calls when it is loaded: the other half of ``reducers``.

Streams name these functions by module and name, so neither may change while old stores are read.
"""

from __future__ import annotations

import functools
import os
import sys
import types
import typing
from typing import TYPE_CHECKING, Any

from durable_nb.values.address import resolve
from durable_nb.values.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from durable_nb.values.address import Step


def make_function(
    code: types.CodeType,
    namespace: dict[str, Any],
    closure: tuple[types.CellType, ...] | None,
) -> types.FunctionType:
    """Make a function whose globals are the given live dict itself, not a copy of it."""
    return types.FunctionType(code, namespace, None, None, closure)


def found_function(module: str, qualname: str) -> types.FunctionType:
    """Return the function of a class or static method of an importable class, which pickle finds bound only."""
    __import__(module)
    found: Any = sys.modules[module]
    for part in qualname.split("."):
        found = found.__dict__[part]
    function: types.FunctionType = getattr(found, "__func__", found)
    return function


def set_function_state(
    func: types.FunctionType,
    state: tuple[dict[str, Any], dict[str, Any], Iterable[tuple[types.CellType, Any]]],
) -> None:
    """Give a made function its attributes and slots, and its cells their contents."""
    attributes, slots, contents = state
    for cell, value in contents:
        cell.cell_contents = value
    slots.pop("submodules", None)  # loading them imported them, which is all they were for
    for name, value in slots.items():
        setattr(func, name, value)
    func.__dict__.update(attributes)


def make_cell() -> types.CellType:
    """Make an empty closure cell."""
    return types.CellType()


def set_cell(cell: types.CellType, contents: tuple[Any]) -> None:
    """Fill a closure cell that was saved on its own."""
    cell.cell_contents = contents[0]


def module_globals(name: str) -> dict[str, Any]:
    """Return the live globals of an importable module."""
    __import__(name)
    return sys.modules[name].__dict__


def set_attributes(target: Any, attributes: Mapping[str, Any]) -> None:
    """Set attributes of an object made from its constructor's arguments."""
    for name, value in attributes.items():
        setattr(target, name, value)


def set_whole_state(target: Any, state: dict[str, Any]) -> None:
    """Let an object take its attributes back in its own way, then give it those that it ignored."""
    saved = dict(state)
    target.__setstate__(state)
    target.__dict__.update((name, value) for name, value in saved.items() if name not in target.__dict__)


def set_state(target: Any, state: dict[str, Any] | tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    """Do what pickle does for an object without ``__setstate__``, without asking the empty object for one."""
    attributes, slots = state if isinstance(state, tuple) else (state, {})
    if attributes:
        target.__dict__.update(attributes)
    set_attributes(target, slots)


def set_with_left_out(target: Any, state: tuple[Any, Callable[[Any, Any], None] | None, dict[str, Any]]) -> None:
    """Let an object take its state back, then give it the attributes that are no part of that."""
    own, setter, attributes = state
    if setter is not None:
        setter(target, own)
    elif own is not None and hasattr(type(target), "__setstate__"):
        target.__setstate__(own)
    elif own is not None:
        set_state(target, own)
    target.__dict__.update(attributes)


def make_lru_cache(func: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """Wrap a function in an ``lru_cache``; what it had cached is computed again when asked for."""
    return functools.lru_cache(maxsize, typed)(func)


def make_cached_property(func: Callable[..., Any], name: str | None) -> Any:
    """Make a ``functools.cached_property`` (its lock, where it has one, cannot be pickled)."""
    made: functools.cached_property[Any] = functools.cached_property(func)
    made.attrname = name
    return made


def make_typing(kind: str, name: str, *args: Any) -> Any:
    """Make a ``typing`` object that pickle would save by its name only."""
    return getattr(typing, kind)(name, *args)


def make_own_dict(kind: type[dict[Any, Any]]) -> dict[Any, Any]:
    """Make an empty dict whose items are its attributes: ``self.__dict__ = self``."""
    made = kind.__new__(kind)
    made.__dict__ = made
    return made


def make_view(mapping: Any, which: str) -> Any:
    """Return the keys, values or items view of a mapping."""
    return getattr(mapping, which)()


def make_closed_file(name: str, mode: str, encoding: str | None, errors: str | None, buffering: int) -> Any:
    """Make a closed file, as ``with open(…) as f:`` leaves behind: nothing but its name and mode is left of it."""
    made = open(os.devnull, mode.replace("x", "w"), buffering, encoding, errors)  # noqa: SIM115, PTH123
    made.close()
    raw: Any = made
    while hasattr(raw, "buffer") or hasattr(raw, "raw"):
        raw = raw.buffer if hasattr(raw, "buffer") else raw.raw
    raw.name = name
    if encoding is not None:
        made.mode = mode  # type: ignore[misc]  # io.open sets it so
    return made


class CannotLoadError(Exception):
    """Why an object cannot be made again, in words meant for users."""


def load_registered(module: str, name: str, saved: object) -> Any:
    """Make an object from what ``register(save=)`` made of it, with the ``load=`` that is registered now."""
    found = registry.named(module, name)
    if found is None or found[1].load is None:
        raise CannotLoadError(f"it holds a {name}: call register({name}, save=…, load=…) first")
    return _loaded(found[0], found[1].load, f"register({name}, load=)", saved)


def load_own(kind: Any, saved: object) -> Any:
    """Make an object from what its ``__durable_save__`` returned."""
    return _loaded(kind, kind.__durable_load__, f"{kind.__qualname__}.__durable_load__", saved)


def _loaded(kind: type, load: Callable[[Any], Any], hook: str, saved: object) -> Any:
    try:
        value = load(saved)
    except Exception as error:
        raise CannotLoadError(f"{hook} raised {type(error).__name__}: {error}") from error
    if not isinstance(value, kind):
        raise CannotLoadError(f"{hook} returned a {type(value).__qualname__}, not a {kind.__qualname__}")
    return value


def make_strided(buffer: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    """Make a numpy array that looks at memory it shares with other arrays."""
    import numpy as np

    return np.ndarray(shape, dtype, buffer=buffer, offset=offset, strides=strides)


def make_objects(shape: tuple[int, ...], order: Any) -> Any:
    """Make an array of objects without any, for others to look at."""
    import numpy as np

    return np.empty(shape, object, order)


def set_objects(array: Any, state: tuple[list[Any], bool]) -> None:
    """Put the objects of an array there, as they are."""
    import numpy as np

    objects, writeable = state
    flat = np.empty(len(objects), object)
    for number, each in enumerate(objects):
        flat[number] = each
    array[...] = flat.reshape(array.shape)
    array.flags.writeable = writeable


def make_object_view(base: Any, step: Step) -> Any:
    """Make an array of objects that looks at the memory of another."""
    return resolve(("", (step,)), lambda _: base)
