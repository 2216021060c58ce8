"""The memory beside a stream: which buffers are views of one memory, and how they stay so."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durable_nb.values import rebuild

if TYPE_CHECKING:
    import pickle
    from collections.abc import Iterable, Sequence

Slice = tuple[int, int, int]  # region, first byte, bytes


@dataclass(frozen=True, slots=True)
class Beside:
    """The regions to store, and where in them each of the stream's buffers lies.

    Attributes:
        regions: C-contiguous memory to store; only those kept apart on purpose overlap.
        slices: per buffer of the stream its region, first byte and length; None when buffer i is
            the whole of region i.
    """

    regions: tuple[memoryview, ...]
    slices: tuple[Slice, ...] | None


def goes_beside(array: Any) -> bool:
    """Say whether numpy hands this array's data to the buffer callback (protocol 5's rule)."""
    import numpy as np

    if type(array) is not np.ndarray or array.dtype.hasobject:
        return False
    strides = array.strides
    # numpy >= 2.3 also sends transposed arrays of any axis order
    return bool(array.flags.forc) or (min(strides, default=0) > 0 and _transposed(array).flags.c_contiguous)


def _transposed(array: Any) -> Any:
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return array.transpose(order)


def can_be_strided(array: Any) -> bool:
    """Say whether an array can be saved as a strided look at a plain memory."""
    import numpy as np

    return type(array) is np.ndarray and not array.dtype.hasobject


def reduce_strided(array: Any) -> tuple[Any, ...]:
    """Reduce an array to the memory between its first and last byte, and its strides."""
    import pickle

    low, high = bounds(array)
    offset = array.__array_interface__["data"][0] - low
    memory = pickle.PickleBuffer(_memory(low, high, array, readonly=not array.flags.writeable))
    return rebuild.make_strided, (memory, array.dtype, array.shape, array.strides, offset)


def bounds(array: Any) -> tuple[int, int]:
    """Return the addresses of an array's first byte and of the byte after its last."""
    low: int = array.__array_interface__["data"][0]
    high = low
    for length, stride in zip(array.shape, array.strides, strict=True):
        reach = (length - 1) * stride
        low, high = (low + reach, high) if stride < 0 else (low, high + reach)
    return low, high + array.itemsize


class _Memory:
    """Memory of other objects, which it keeps alive, for numpy to look at."""

    def __init__(self, low: int, high: int, owner: object, *, readonly: bool) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "data": (low, readonly),
            "shape": (high - low,),
            "typestr": "|u1",
            "version": 3,
        }


def _memory(low: int, high: int, owner: object, *, readonly: bool) -> Any:
    import numpy as np

    return np.asarray(_Memory(low, high, owner, readonly=readonly))


def _address(view: memoryview) -> int:
    import numpy as np

    found: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return found


def gather(buffers: Sequence[tuple[pickle.PickleBuffer, bool]]) -> Beside:
    """Find which buffers overlap in memory and make one region of those.

    A restored view then writes through to what it was a view of, and shared memory is stored once.

    Args:
        buffers: in the stream's order, each with whether it must stay apart (pandas: two frames may
            look at one memory for as long as neither is written to; restored, nothing would part
            them on a write). One of these may still share with plain arrays.
    """
    views = [buffer.raw() for buffer, _ in buffers]
    if len(views) < 2 or "numpy" not in sys.modules:  # noqa: PLR2004
        return Beside(tuple(views), None)
    groups = _groups(views, [apart for _, apart in buffers])
    if len(groups) == len(views):
        return Beside(tuple(views), None)
    regions: list[memoryview] = []
    slices: list[Slice] = [(0, 0, 0)] * len(views)
    for group in groups:
        low, region = _region([views[i] for i in group])
        for i in group:
            first = _address(views[i]) - low if len(group) > 1 else 0
            slices[i] = (len(regions), first, views[i].nbytes)
        regions.append(region)
    return Beside(tuple(regions), tuple(slices))


def _groups(views: Sequence[memoryview], apart: Sequence[bool]) -> list[list[int]]:
    groups = [[i] for i, view in enumerate(views) if not view.nbytes]
    spans = sorted((_address(view), i) for i, view in enumerate(views) if view.nbytes)
    end = -1
    current: list[int] = []
    taken = False
    for start, i in spans:
        if apart[i] and start < end and taken:
            groups.append([i])
            continue
        if start >= end:
            current, taken = [], False
            groups.append(current)
        current.append(i)
        taken = taken or apart[i]
        end = max(end, start + views[i].nbytes)
    return sorted(groups)


def _region(views: Sequence[memoryview]) -> tuple[int, memoryview]:
    if len(views) == 1:
        return 0, views[0]
    low = min(map(_address, views))
    high = max(_address(view) + view.nbytes for view in views)
    for view in views:
        if view.nbytes == high - low:
            return low, view
    return low, memoryview(_memory(low, high, tuple(views), readonly=True))


def split(regions: Sequence[Any], slices: Iterable[Slice] | None) -> Sequence[Any]:
    """Return the buffers that a stream asks for, cut out of the regions that were stored."""
    if slices is None:
        return regions
    views = [memoryview(region).cast("B") for region in regions]
    return [views[region][first : first + size] for region, first, size in slices]


def shared(arrays: Sequence[Any], buffers: Sequence[tuple[pickle.PickleBuffer, bool]]) -> Any:
    """Return an array, of those whose data went into the stream, that shares memory with another.

    Only plain overlap of address ranges is seen: two interleaved columns count as sharing.
    """
    spans = [(*bounds(array), array) for array in arrays if array.size]
    if not spans:
        return None
    for buffer, apart in buffers:
        view = buffer.raw()
        if view.nbytes and not apart:
            start = _address(view)
            spans.append((start, start + view.nbytes, None))
    spans.sort(key=lambda span: span[:2])
    end, last = -1, None
    for start, stop, array in spans:
        if start < end and (array is not None or last is not None):
            return array if array is not None else last
        if stop > end:
            end, last = stop, array
    return None
