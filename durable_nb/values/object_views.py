"""Arrays of objects that look at one memory, as ``axes.ravel()`` does: one of them is saved, the others as views of it.

The memory of other arrays lies beside a stream, so that each can be a view of it; objects have to be in the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from durable_nb.values import rebuild
from durable_nb.values.address import Step
from durable_nb.values.hashing import overlapping
from durable_nb.values.views import step_to_view

if TYPE_CHECKING:
    from collections.abc import Iterable

Looks = Mapping[int, tuple[Any, Step] | None]
"""id -> the array that is saved, and the step from there to the view; None for that array itself."""


def object_views(arrays: Iterable[Any]) -> Looks:
    """Return which of some arrays can be saved as views of one another."""
    objects = {id(array): array for array in arrays if array.dtype.kind == "O"}
    found: dict[int, tuple[Any, Step] | None] = {}
    for group in overlapping((array, array) for array in objects.values()):
        found |= _views(sorted((array for array, _ in group), key=_rank))
    return found


def _rank(array: Any) -> tuple[bool, int, bool]:
    """Tell which array had better be the one that is saved: that the others are made of."""
    return not array.flags.writeable, -array.size, array.base is not None


def _views(group: list[Any]) -> dict[int, tuple[Any, Step] | None]:
    base, *others = group
    found: dict[int, tuple[Any, Step] | None] = {id(base): None}
    for array in others:
        step = step_to_view(base, array)
        if step is None:
            return {}
        found[id(array)] = base, step
    return found


def reduce_objects(array: Any, look: tuple[Any, Step] | None) -> tuple[Any, ...]:
    """Reduce an array of objects to a view of another, or to its objects, which come once the views can be made."""
    if look is not None:
        return rebuild.make_object_view, look
    made = (array.shape, "F" if array.flags.fnc else "C")
    state = array.ravel().tolist(), bool(array.flags.writeable)
    return rebuild.make_objects, made, state, None, None, rebuild.set_objects
