"""How arrays, and what pandas keeps its values in, are taken apart, so that shared memory stays shared, or apart."""

# ruff: noqa: SLF001 - pandas has no public names for the memory of an index or of dates

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_nb.values.object_views import reduce_objects

if TYPE_CHECKING:
    from durable_nb.values.reducers import PicklerState


def reduce_array(pickler: PicklerState, array: Any) -> Any:
    """Save an array; where it shares memory with others in the stream, as a view of that memory."""
    from durable_nb.values import buffers

    pickler.gathered.array = array
    if buffers.goes_beside(array):
        return NotImplemented
    pickler.gathered.note_array(array)
    if id(array) in pickler.looks:
        return reduce_objects(array, pickler.looks[id(array)])
    if pickler.strided and buffers.can_be_strided(array):
        return buffers.reduce_strided(array)
    return NotImplemented


def reduce_pandas_owner(pickler: PicklerState, owner: Any) -> Any:
    """Keep apart what pandas keeps apart by copy-on-write, though the memory is one for now."""
    if not pickler.gathered.note_owner(owner):
        return NotImplemented
    # Two owners of one array object: pickle would make one of it again, which no write would part.
    is_manager = hasattr(owner, "blocks")
    apart = owner.apply(_view) if is_manager else _index_apart(owner)
    pickler.gathered.note_owner(apart)
    return apart.__reduce_ex__(5)


def _index_apart(index: Any) -> Any:
    if hasattr(index, "levels"):
        return index.set_codes(list(map(_view, index.codes)), verify_integrity=False)
    return type(index)._simple_new(_view(index._data), index.name)


def _view(values: Any) -> Any:
    if hasattr(values, "_from_backing_data"):  # dates and categories: their view() is no deeper
        return values._from_backing_data(values._ndarray.view())
    return values.view()
