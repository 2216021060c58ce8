"""The parts of pandas, arrow and polars objects: canonical over block layout, chunks, slices and caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import xxhash

from durable_nb.values.kinds import class_name, data_kind, mro_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Parts = tuple[Any, ...]
_PIECE: Final = 1 << 16  # elements transposed at a time
_CACHES: Final = frozenset({"_cache", "_engine", "_item_cache"})


def frame_parts(array_parts: Callable[[Any], Parts], frame: Any, *, content: bool) -> Parts:
    """Return the parts of a DataFrame or Series: axes, then one entry for each column.

    Which columns share a block is pandas' own affair and changes when a frame is merely read.

    Args:
        array_parts: what takes its arrays apart.
        frame: the DataFrame or Series.
        content: whether their numbers are a part of what that returns.
    """
    state = dict(frame.__getstate__())
    manager = state.pop("_mgr")
    # A list of the class: the same object in every frame, which says nothing about what frames share.
    state["_metadata"] = tuple(state.get("_metadata", ()))
    for made in ("_flags", "attrs"):  # anew each time: not the frame's own
        state[made] = tuple(state.get(made, {}).items())
    columns: list[Any] = [None] * (1 if manager.ndim == 1 else len(manager.items))
    for block in manager.blocks:
        places = [0] if manager.ndim == 1 else list(map(int, block.mgr_locs.as_array))
        found = _columns(array_parts, block.values, len(places), content=content)
        for place, column in zip(places, found, strict=True):
            columns[place] = column
    axes = tuple(index_parts(array_parts, axis) for axis in manager.axes)
    return ("frame", data_kind(type(frame)), axes, columns, state)


def frame_memory(frame: Any) -> list[Any]:
    """Return the plain arrays among those that a DataFrame or Series keeps its values in, by number of the block."""
    blocks = [block.values for block in frame._mgr.blocks]  # noqa: SLF001 - there is no public way to its memory
    return [values if class_name(type(values)) == ("numpy", "ndarray") else None for values in blocks]


def index_parts(array_parts: Callable[[Any], Parts], value: Any) -> Any:  # noqa: PLR0911 - a table of cases
    """Return what an index, an extension array or a dtype of pandas is made of, without its caches."""
    kind = type(value)
    module, name = class_name(kind)
    if (module, name) == ("numpy", "ndarray"):
        return array_parts(value)
    if kind is tuple or kind is list or name == "FrozenList":
        return tuple(index_parts(array_parts, item) for item in value)
    if kind is dict:
        kept = [pair for pair in value.items() if pair[0] not in _CACHES and not _is_writable(*pair)]
        return tuple((key, index_parts(array_parts, item)) for key, item in kept)
    names = set(mro_names(kind))
    if not names.isdisjoint(_ARROW):
        return arrow_parts(None, value)
    if not names.isdisjoint(_DTYPES):
        return _dtype(array_parts, value)
    if "numpy.dtype" in names:
        return ("dtype", repr(value))
    if names.isdisjoint(_OWN):
        return value
    _, args, state = (*value.__reduce_ex__(5), None, None)[:3]
    data = [item for item in args if not isinstance(item, type)]
    return (module, name, index_parts(array_parts, data), _state_parts(array_parts, state))


_OWN: Final = frozenset(
    {
        "pandas.Index",
        "pandas.core.indexes.base.Index",
        "pandas.api.extensions.ExtensionArray",
        "pandas.core.arrays.base.ExtensionArray",
    }
)
_DTYPES: Final = frozenset({"pandas.api.extensions.ExtensionDtype", "pandas.core.dtypes.base.ExtensionDtype"})
_ARROW: Final = frozenset({"pyarrow.lib._PandasConvertible", "pyarrow.lib._Tabular"})


def _state_parts(array_parts: Callable[[Any], Parts], state: Any) -> Any:
    """Return the parts of a state; attributes, which it ends with where there are any, may all be none of the value."""
    parts = index_parts(array_parts, state)
    return parts[:-1] if type(state) is tuple and state and type(state[-1]) is dict and not parts[-1] else parts


def _is_writable(key: object, item: object) -> bool:
    """Tell whether an attribute says what holds without it: views of extension arrays have it, others do not."""
    return key == "_readonly" and item is False


def _dtype(array_parts: Callable[[Any], Parts], dtype: Any) -> Parts:
    categories = getattr(dtype, "categories", None)
    if categories is None:
        return ("dtype", type(dtype).__name__, repr(dtype))
    return ("dtype", "category", bool(dtype.ordered), index_parts(array_parts, categories))


def _columns(array_parts: Callable[[Any], Parts], values: Any, count: int, *, content: bool) -> Iterator[Any]:
    if class_name(type(values)) != ("numpy", "ndarray"):
        if getattr(values, "ndim", 1) == 1:
            yield index_parts(array_parts, values)
        else:  # datetimes with a time zone: one extension array of two dimensions
            yield from (index_parts(array_parts, values[row]) for row in range(count))
    elif values.ndim == 1:
        yield array_parts(values)
    elif values.flags.c_contiguous or values.dtype.hasobject or count == 1 or not content:
        yield from map(array_parts, values)
    else:
        yield from _transposed(values)


def _transposed(values: Any) -> Iterator[Any]:
    """Yield what ``array_parts`` gives for each row of a block whose rows are not contiguous.

    Read piecewise across all rows, so that each cache line is fetched once.
    """
    import numpy as np

    from durable_nb.values.arrays import dtype_name

    states = [xxhash.xxh3_128() for _ in range(len(values))]
    width = max(1, _PIECE // len(values))
    for start in range(0, values.shape[1], width):
        piece = np.ascontiguousarray(values[:, start : start + width]).view("u1")
        for state, row in zip(states, piece, strict=True):
            state.update(row)
    name, shape = dtype_name(values.dtype), values.shape[1:]
    yield from (("array", name, shape, state.digest()) for state in states)


class _Sink:
    """A file that arrow writes to and that keeps a digest only."""

    closed = False

    def __init__(self) -> None:
        self.state = xxhash.xxh3_128()

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.state.update(view)
        return view.nbytes

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def close(self) -> None:
        """Do nothing: the digest stays."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def arrow_parts(reducer: Any, value: Any) -> Parts:
    """Return the parts of an arrow table, batch or array: type, schema and a digest of its IPC stream.

    The stream holds a slice's own rows only, and chunks are combined first.
    """
    if reducer is not None and reducer.inside:
        return ("arrow",)
    import pyarrow as pa

    name = type(value).__name__
    if isinstance(value, pa.ChunkedArray):
        table = pa.table({"": value})
    elif isinstance(value, pa.Array):
        table = pa.table({"": pa.chunked_array([value])})
    elif isinstance(value, pa.RecordBatch):
        table = pa.Table.from_batches([value])
    else:
        table = value
    table = table.combine_chunks()
    sink = _Sink()
    with pa.PythonFile(sink, mode="w") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    kind = "Array" if isinstance(value, pa.Array | pa.ChunkedArray) else name
    return ("arrow", kind, table.num_rows, sink.state.digest())


def polars_parts(reducer: Any, value: Any) -> Parts:
    """Return the parts of a polars frame or series: its type and a digest of what it pickles as."""
    del reducer
    state = value.__getstate__()
    return ("polars", data_kind(type(value)), state if type(state) is not bytes else xxhash.xxh3_128_digest(state))
