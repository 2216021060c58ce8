"""Read the state of a live object, one level deep, and write a state back into that very object.

A state refers to the objects inside, which keep their identity and are read and written by themselves. So whatever
is changed this way is seen through every name and container that holds the object, also ones nobody knows of.
"""

from __future__ import annotations

import array
import collections
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.definitions import DERIVED
from durable_nb.values.frames import frame_memory
from durable_nb.values.kinds import class_dict, mro_names

if TYPE_CHECKING:
    from collections.abc import Callable

Parts = tuple[Any, ...]

UNCHANGING: Final = ""
"""The form of an object that has no state of its own: it cannot change, or only what is inside of it can."""

_IMMUTABLE_TAGS: Final = frozenset({"client", "arrow", "method", "bound", "property", "staticmethod", "classmethod"})


@dataclass(frozen=True, slots=True)
class Form:
    """How objects of one form are read and written.

    Attributes:
        read: object -> state; shares memory with the object where that spares a copy.
        write: (object, state) -> None; raises whatever the object raises when it does not take the state.
        keep: object -> state that later changes of the object do not reach.
        size: object -> bytes that ``keep`` copies beyond references.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]
    keep: Callable[[Any], Any]
    size: Callable[[Any], int]


def form_of(obj: object, parts: Parts | None) -> str | None:
    """Return the name of an object's form; ``UNCHANGING``, or None where nothing can write it back.

    Args:
        obj: an object of a walk.
        parts: what the walk reduced it to; None for an exact list, tuple or dict.
    """
    exact = _EXACT.get(type(obj))
    if exact is not None:
        return exact  # the common case, without the table
    for kind, name in _BY_TYPE:
        if isinstance(obj, kind):
            return name
    if parts is None or parts[0][0] == "=" or parts[0] in _IMMUTABLE_TAGS:
        return UNCHANGING
    names = set(mro_names(type(obj)))
    for kind_name, name in _BY_NAME.items():
        if kind_name in names:
            return name
    return _form_of_instance(obj, parts)


def _form_of_instance(obj: object, parts: Parts) -> str | None:
    own = _own_attributes(obj)
    if any("__setstate__" in class_dict(base) for base in type.__dict__["__mro__"].__get__(type(obj))):
        return "state"
    if parts[0] == "slotted":
        return "slots"
    if own is not None and parts[0] in ("object", "attributed"):
        # The walk met the dict of attributes itself, or only a copy of it.
        return UNCHANGING if any(part is own for part in parts) else "attributes"
    return {"class": "class", "object": UNCHANGING, "generator": UNCHANGING, "function": "function"}.get(parts[0])


def _own_attributes(obj: object) -> dict[str, Any] | None:
    found = getattr(obj, "__dict__", None)
    return found if type(found) is dict else None


# -- containers


def _write_list(obj: list[Any], state: list[Any]) -> None:
    list.__setitem__(obj, slice(None), state)


def _write_dict(obj: dict[Any, Any], state: dict[Any, Any]) -> None:
    dict.clear(obj)
    dict.update(obj, state)


def _read_ordered(obj: Any) -> dict[Any, Any]:
    return dict(obj)


def _write_ordered(obj: Any, state: dict[Any, Any]) -> None:
    collections.OrderedDict.clear(obj)
    for key, value in state.items():
        collections.OrderedDict.__setitem__(obj, key, value)


def _read_default(obj: Any) -> tuple[Any, dict[Any, Any]]:
    return obj.default_factory, dict.copy(obj)


def _write_default(obj: Any, state: tuple[Any, dict[Any, Any]]) -> None:
    obj.default_factory = state[0]
    _write_dict(obj, state[1])


def _write_set(obj: set[Any], state: set[Any]) -> None:
    set.clear(obj)
    set.update(obj, state)


def _write_deque(obj: Any, state: list[Any]) -> None:
    collections.deque.clear(obj)
    collections.deque.extend(obj, state)


def _write_whole(obj: Any, state: Any) -> None:
    obj[:] = state


def _write_cell(obj: types.CellType, state: tuple[Any, ...]) -> None:
    if state:
        obj.cell_contents = state[0]
    else:
        del obj.cell_contents


def _read_cell(obj: types.CellType) -> tuple[Any, ...]:
    try:
        return (obj.cell_contents,)
    except ValueError:
        return ()


# -- objects


def _read_attributes(obj: Any) -> dict[str, Any]:
    return dict(obj.__dict__)


def _write_attributes(obj: Any, state: dict[str, Any]) -> None:
    _write_dict(obj.__dict__, state)


def _read_slots(obj: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    own = _own_attributes(obj)
    slots = {name: getattr(obj, name) for name in _slot_names(type(obj)) if hasattr(obj, name)}
    return (None if own is None else dict(own)), slots


def _write_slots(obj: Any, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    attributes, slots = state
    if attributes is not None:
        _write_attributes(obj, attributes)
    for name in _slot_names(type(obj)):
        if name in slots:
            object.__setattr__(obj, name, slots[name])
        elif hasattr(obj, name):
            object.__delattr__(obj, name)


def _slot_names(kind: type) -> list[str]:
    bases = type.__dict__["__mro__"].__get__(kind)
    return [
        name for base in bases for name, value in class_dict(base).items() if type(value) is types.MemberDescriptorType
    ]


def _read_state(obj: Any) -> tuple[frozenset[str], Any]:
    reduced = obj.__reduce_ex__(5)
    return frozenset(_own_attributes(obj) or ()), reduced[2] if len(reduced) > 2 else None  # noqa: PLR2004


def _write_state(obj: Any, state: tuple[frozenset[str], Any]) -> None:
    names, inner = state
    own = _own_attributes(obj)
    for name in (own.keys() - names) if own is not None else ():
        del own[name]  # type: ignore[union-attr]  # it would survive __setstate__
    obj.__setstate__(inner)


def _read_class(obj: type) -> dict[str, Any]:
    layout = (types.MemberDescriptorType, types.GetSetDescriptorType)
    own = class_dict(obj).items()
    return {name: value for name, value in own if name not in DERIVED and not isinstance(value, layout)}


def _write_class(obj: type, state: dict[str, Any]) -> None:
    now = _read_class(obj)
    for name in now.keys() - state.keys():
        type.__delattr__(obj, name)
    for name, value in state.items():
        if name not in now or now[name] is not value:
            type.__setattr__(obj, name, value)


def _read_function(obj: types.FunctionType) -> tuple[Any, Any]:
    return obj.__defaults__, obj.__kwdefaults__


def _write_function(obj: types.FunctionType, state: tuple[Any, Any]) -> None:
    obj.__defaults__, obj.__kwdefaults__ = state


_CONTEXT: Final = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def _read_context(obj: Any) -> tuple[list[Any], dict[Any, bool], dict[Any, bool]]:
    return [getattr(obj, name) for name in _CONTEXT], dict(obj.flags), dict(obj.traps)


def _write_context(obj: Any, state: tuple[list[Any], dict[Any, bool], dict[Any, bool]]) -> None:
    settings, obj.flags, obj.traps = state
    for name, value in zip(_CONTEXT, settings, strict=True):
        setattr(obj, name, value)


# -- arrays and frames


def _read_array(obj: Any) -> Any:
    import numpy as np

    return obj.view(np.ndarray)


def _keep_array(obj: Any) -> Any:
    return _read_array(obj).copy(order="K")


def _write_array(obj: Any, state: Any) -> None:
    import numpy as np

    plain = obj.view(np.ndarray)
    if plain.dtype != state.dtype or plain.shape != state.shape:
        raise ValueError(f"the array became {state.dtype} {state.shape}")
    np.copyto(plain, state, casting="no")


def _read_masked(obj: Any) -> list[Any]:
    """Return the values and the mask of one of pandas' nullable arrays; there is no public way to them."""
    return [_read_array(obj._data), _read_array(obj._mask)]  # noqa: SLF001


def _keep_masked(obj: Any) -> list[Any]:
    return [each.copy() for each in _read_masked(obj)]


def _write_masked(obj: Any, state: list[Any]) -> None:
    for live, values in zip(_read_masked(obj), state, strict=True):
        _write_array(live, values)


def _read_tensor(obj: Any) -> tuple[Any, Any, bool]:
    return obj.detach(), obj.grad if obj.is_leaf else None, bool(obj.requires_grad)


def _keep_tensor(obj: Any) -> tuple[Any, Any, bool]:
    return obj.detach().clone(), *_read_tensor(obj)[1:]


def _write_tensor(obj: Any, state: tuple[Any, Any, bool]) -> None:
    values, grad, requires_grad = state
    if (obj.dtype, obj.shape, obj.device) != (values.dtype, values.shape, values.device):
        raise ValueError(f"the tensor became {values.dtype} {tuple(values.shape)} on {values.device}")
    obj.detach().copy_(values)
    if obj.is_leaf:
        obj.requires_grad_(requires_grad)
        obj.grad = grad


def _read_frame(obj: Any) -> Any:
    return obj.__getstate__()


def _keep_frame(obj: Any) -> Any:
    return obj.copy(deep=True).__getstate__()


def _write_frame(obj: Any, state: Any) -> None:
    obj.__setstate__(state)


def _read_frame_values(obj: Any) -> list[Any]:
    return [each.view() for each in frame_memory(obj)]


def _keep_frame_values(obj: Any) -> list[Any]:
    return [each.copy(order="K") for each in frame_memory(obj)]


def _write_frame_values(obj: Any, state: list[Any]) -> None:
    memory = frame_memory(obj)
    if len(memory) != len(state):
        raise ValueError("the frame's columns lie in memory otherwise")
    for live, values in zip(memory, state, strict=True):
        _write_array(live, values)


def _frame_size(obj: Any) -> int:
    used = obj.memory_usage(index=True)
    return int(used if isinstance(used, int) else used.sum())


def _array_size(obj: Any) -> int:
    return int(obj.nbytes)


def _no_size(_: Any) -> int:
    return 0


def _form(
    read: Callable[[Any], Any],
    write: Callable[[Any, Any], None],
    keep: Callable[[Any], Any] | None = None,
    size: Callable[[Any], int] = _no_size,
) -> Form:
    return Form(read, write, keep or read, size)


FORMS: Final[dict[str, Form]] = {
    "list": _form(list.copy, _write_list),
    "dict": _form(dict.copy, _write_dict),
    "ordered": _form(_read_ordered, _write_ordered),
    "default": _form(_read_default, _write_default),
    "set": _form(set.copy, _write_set),
    "deque": _form(list, _write_deque),
    "bytearray": _form(bytes, _write_whole, size=len),
    "array.array": _form(lambda obj: obj[:], _write_whole, size=len),
    "cell": _form(_read_cell, _write_cell),
    "attributes": _form(_read_attributes, _write_attributes),
    "slots": _form(_read_slots, _write_slots),
    "state": _form(_read_state, _write_state),
    "class": _form(_read_class, _write_class),
    "function": _form(_read_function, _write_function),
    "array": _form(_read_array, _write_array, _keep_array, _array_size),
    "context": _form(_read_context, _write_context),
    "masked": _form(_read_masked, _write_masked, _keep_masked, _array_size),
    "tensor": _form(_read_tensor, _write_tensor, _keep_tensor, _array_size),
    "frame": _form(_read_frame, _write_frame, _keep_frame, _frame_size),
    "frame values": _form(_read_frame_values, _write_frame_values, _keep_frame_values, _frame_size),
}
"""Every form by its name, which checkpoints hold: names are never changed."""

_BY_TYPE: Final[tuple[tuple[type, str], ...]] = (
    (list, "list"),
    (collections.OrderedDict, "ordered"),
    (collections.defaultdict, "default"),
    (dict, "dict"),
    (set, "set"),
    (collections.deque, "deque"),
    (bytearray, "bytearray"),
    (array.array, "array.array"),
    (types.CellType, "cell"),
    (tuple, UNCHANGING),
    (frozenset, UNCHANGING),
)
_EXACT: Final[dict[type, str]] = {dict: "dict", list: "list"}
_BY_NAME: Final = {
    "numpy.ma.MaskedArray": "state",
    "numpy.ma.core.MaskedArray": "state",
    "numpy.ndarray": "array",
    "torch.Tensor": "tensor",
    "decimal.Context": "context",
    "pandas.core.arrays.masked.BaseMaskedArray": "masked",
    "pandas.core.generic.NDFrame": "frame",
}
