"""A numpy array that looks at the memory of another: told by its place in there, and made there again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.values.arrays import extent
from durable_nb.values.kinds import class_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from durable_nb.values.address import Step

Elements = tuple[tuple[int, ...], tuple[tuple[int, int], ...]]
"""The index of a view's first element in its base; and for each axis of the view, along which of the base's it goes,
and how many elements at a time."""


def step_to_view(base: Any, view: Any) -> Step | None:
    """Return the step that leads from an array to a view of its memory; None where there is none.

    Only plain arrays are told so, and only if all of ``view`` is inside of ``base``. A view of other elements than
    the base's own, as bytes of its numbers, is told by its place in a base in one piece.
    """
    inner, outer = extent(view), extent(base)
    if inner is None or outer is None or not (outer[0] <= inner[0] and inner[1] <= outer[1]):
        return None
    if not (_is_plain(base) and _is_plain(view)):
        return None
    found = elements_of(base, view)
    if found is not None:
        return "elements", _place(found, base, view)
    piece = _in_one_piece(base)
    if piece is None:
        return None
    if base.dtype.hasobject:
        found = elements_of(piece.reshape(-1), view)
        return None if found is None else ("objects", _place(found, base, view))
    start = view.__array_interface__["data"][0] - outer[0]
    placed = (start, view.dtype.str, view.shape, view.strides, bool(view.flags.writeable))
    return "view", (placed, (base.dtype.str, base.shape, base.strides))


def _place(found: Elements, base: Any, view: Any) -> Any:
    return (*found, view.shape, bool(view.flags.writeable)), (base.dtype.str, base.shape)


def view_of(base: Any, place: Any) -> Any:
    """Make the view that a step ``view`` told of.

    Raises:
        LookupError: the array does not lie in memory as the one did.
    """
    (start, dtype, shape, strides, writeable), layout = place
    memory = _in_one_piece(base)
    if (base.dtype.str, base.shape, base.strides) != layout or memory is None:
        raise LookupError("the array lies in memory otherwise")
    import numpy as np

    made = np.ndarray(shape, np.dtype(dtype), memory, start, strides)
    if not writeable:
        made.flags.writeable = False
    return made


def elements_of(base: Any, view: Any) -> Elements | None:
    """Return which elements of a numpy array another one consists of; None where it does not, or in no simple way.

    How far apart the elements lie in memory makes no difference: a restored array may lie otherwise.
    """
    if base.dtype != view.dtype:
        return None
    axes = _axes_apart(base)
    first = None if axes is None else _index(base, axes, _start(view) - _start(base))
    if axes is None or first is None:
        return None
    moves = []
    lowest, highest = list(first), list(first)
    for length, stride in zip(view.shape, view.strides, strict=True):
        move = _move(base, axes, stride) if length > 1 else (0, 0)
        if move is None:
            return None
        axis, count = move
        if count:
            lowest[axis] += min(0, count * (length - 1))
            highest[axis] += max(0, count * (length - 1))
        moves.append(move)
    if min(lowest, default=0) < 0 or any(at >= size for at, size in zip(highest, base.shape, strict=True)):
        return None
    return first, tuple(moves)


def view_of_elements(base: Any, place: Any) -> Any:
    """Make the view that a step ``elements`` told of.

    Raises:
        LookupError: the array has other elements than the one had.
    """
    found, kind = place
    if (base.dtype.str, base.shape) != kind:
        raise LookupError("the array has other elements")
    return _made(base, *found)


def view_of_objects(base: Any, place: Any) -> Any:
    """Make the view that a step ``objects`` told of: as above, of the base's elements in the order of its memory.

    Raises:
        LookupError: the array has other elements than the one had, or they have gaps between them.
    """
    found, kind = place
    piece = _in_one_piece(base)
    if (base.dtype.str, base.shape) != kind or piece is None:
        raise LookupError("the array has other elements")
    return _made(piece.reshape(-1), *found)


def _made(
    base: Any, first: tuple[int, ...], moves: Sequence[tuple[int, int]], shape: tuple[int, ...], writeable: bool
) -> Any:
    import numpy as np

    strides = tuple(count and base.strides[axis] * count for axis, count in moves)
    memory = None if base.dtype.hasobject else _in_one_piece(base)
    if memory is not None:
        start = sum(at * stride for at, stride in zip(first, base.strides, strict=True))
        made = np.ndarray(shape, base.dtype, memory, start, strides)
    else:
        corner = base[tuple(slice(at, at + 1) for at in first)]
        made = np.lib.stride_tricks.as_strided(corner, shape, strides)
    if not writeable:
        made.flags.writeable = False
    return made


def _axes_apart(array: Any) -> list[int] | None:
    """Return the axes longer than one, that of the longest stride first; None where elements of an array overlap."""
    strides = [abs(each) for each in array.strides]
    axes = sorted((axis for axis, size in enumerate(array.shape) if size > 1), key=strides.__getitem__)
    reach = array.itemsize
    for axis in axes:
        if strides[axis] < reach:
            return None
        reach += strides[axis] * (array.shape[axis] - 1)
    return axes[::-1]


def _index(array: Any, axes: Sequence[int], offset: int) -> tuple[int, ...] | None:
    """Return the index of the element so many bytes after an array's first; None where none begins there."""
    index = [0] * array.ndim
    rest = offset - sum(min(0, array.strides[axis] * (array.shape[axis] - 1)) for axis in axes)
    for axis in axes:
        at, rest = divmod(rest, abs(array.strides[axis]))
        if not 0 <= at < array.shape[axis]:
            return None
        index[axis] = at if array.strides[axis] > 0 else array.shape[axis] - 1 - at
    return None if rest else tuple(index)


def _move(array: Any, axes: Sequence[int], stride: int) -> tuple[int, int] | None:
    """Return along which axis, and how many elements, a stride leads; None where along no single one."""
    if stride == 0:
        return 0, 0
    found = (axis for axis in axes if abs(array.strides[axis]) <= abs(stride) and stride % array.strides[axis] == 0)
    axis = next(found, None)
    return None if axis is None else (axis, stride // array.strides[axis])


def _start(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _is_plain(array: Any) -> bool:
    return class_name(type(array)) == ("numpy", "ndarray") and array.dtype.names is None


def _in_one_piece(array: Any) -> Any:
    """Return an array as a buffer of its memory; None for one with gaps."""
    if array.flags.c_contiguous:
        return array
    return array.T if array.flags.f_contiguous else None
