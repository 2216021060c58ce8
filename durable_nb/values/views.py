"""A numpy array that looks at the memory of another: told by its place in there, and made there again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.values.arrays import extent
from durable_nb.values.kinds import class_name

if TYPE_CHECKING:
    from durable_nb.values.address import Step


def step_to_view(base: Any, view: Any) -> Step | None:
    """Return the step that leads from an array to a view of its memory; None where there is none.

    Only plain arrays are told so: ``base`` in one piece, and all of ``view`` inside it.
    """
    inner, outer = extent(view), extent(base)
    if inner is None or outer is None or not (outer[0] <= inner[0] and inner[1] <= outer[1]):
        return None
    if not (_is_plain(base) and _is_plain(view)) or _in_one_piece(base) is None:
        return None
    start = view.__array_interface__["data"][0] - outer[0]
    placed = (start, view.dtype.str, view.shape, view.strides, bool(view.flags.writeable))
    return "view", (placed, (base.dtype.str, base.shape, base.strides))


def view_of(base: Any, place: Any) -> Any:
    """Make the view that ``step_to_view`` told of.

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


def _is_plain(array: Any) -> bool:
    return class_name(type(array)) == ("numpy", "ndarray") and array.dtype.names is None


def _in_one_piece(array: Any) -> Any:
    """Return an array as a buffer of its memory; None for one with gaps."""
    if array.flags.c_contiguous:
        return array
    return array.T if array.flags.f_contiguous else None
