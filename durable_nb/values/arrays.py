"""The parts of arrays, frames, tables and tensors: their values, not how they lie in memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import xxhash

from durable_nb.values.frames import arrow_parts, frame_parts, index_parts, polars_parts
from durable_nb.values.kinds import class_name, data_kind
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable

Parts = tuple[Any, ...]
Reducing = "Callable[[Any], Parts]"

_CHUNK: Final = 4 << 20  # bytes copied at a time when an array is not contiguous
_RAW_KINDS: Final = "biufcmMSUV"
_DOUBLE: Final = 8  # bytes; what is wider is padded
_EXTENDED: Final = {"f": 10, "c": 10}  # bytes of an x87 long double that mean something


def digest(*buffers: Any) -> bytes:
    """Return 16 bytes for some contiguous buffers, each with its length."""
    state = xxhash.xxh3_128()
    for buffer in buffers:
        view = memoryview(buffer)
        state.update(view.nbytes.to_bytes(8, "little"))
        state.update(view)
    return state.digest()


def array_parts(array: Any) -> Parts:
    """Return the parts of a numpy array: type of its elements, shape, values, and whether it is in Fortran's order.

    That order decides in which order a sum is rounded, and what ``ravel`` copies. Other strides do not count: a
    restored array may have others.
    """
    return _array_parts(array, _values_digest)


def objects_of_array(array: Any) -> Parts:
    """Return the same parts without a look at numbers: all that leads to other objects."""
    return _array_parts(array, lambda _: b"")


def _parts_for(reducer: Any) -> Callable[[Any], Parts]:
    return objects_of_array if reducer.inside else array_parts


def _array_parts(array: Any, digest_of: Callable[[Any], bytes]) -> Parts:
    dtype = array.dtype
    shape = ("F", *array.shape) if array.flags.fnc else array.shape
    if dtype.hasobject or dtype.kind not in _RAW_KINDS:
        return ("array", dtype_name(dtype), shape, array.ravel().tolist())
    if dtype.names is not None or dtype.subdtype is not None:
        fields = _fields(array)
        return ("array", dtype_name(dtype), shape, *(_array_parts(field, digest_of) for field in fields))
    return ("array", dtype_name(dtype), shape, digest_of(array))


def dtype_name(dtype: Any) -> str:
    """Return text that tells numpy dtypes apart, their layout and units included."""
    if dtype.names is None and dtype.subdtype is None and dtype.kind in _RAW_KINDS + "O":
        return str(dtype.str)
    return repr(dtype)


def has_caches(kind: type) -> bool:
    """Tell whether instances of an installed type keep caches among their attributes."""
    return class_name(kind)[0].startswith(("scipy.sparse.", "matplotlib."))


def without_caches(kind: type, state: Any) -> Any:
    """Return the state of an object without what reading it may change."""
    if type(state) is not dict or not has_caches(kind):
        return state
    return {name: state[name] for name in sorted(state) if name not in _CACHES}


_CACHES: Final = frozenset(
    {
        "_has_sorted_indices",
        "_has_canonical_format",
        "_parents",
        "_cachedRenderer",
        "_invalid",
        "_stale",
        # Numbers that matplotlib hands out, which start anew in each process and with each copy.
        "_cid_gen",
        "_pickled_cids",
        "_func_cid_map",
        "_number",
    }
)


def extent(array: Any) -> tuple[int, int] | None:
    """Return the addresses (first byte, one past the last) of a numpy array's or a tensor's memory."""
    if ".".join(class_name(type(array))).startswith("torch."):
        storage = array.untyped_storage()
        start = storage.data_ptr()
        return (start, start + storage.nbytes()) if storage.nbytes() else None
    if array.size == 0:
        return None
    import numpy as np

    low, high = np.lib.array_utils.byte_bounds(array)
    return int(low), int(high)


def is_array(obj: object) -> bool:
    """Tell whether an object is a numpy array of any kind, or a tensor: something with memory of its own."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    kinds = (*((numpy.ndarray,) if numpy else ()), *((torch.Tensor,) if torch else ()))
    return isinstance(obj, kinds)


def placement(array: Any) -> tuple[int, tuple[int, ...]]:
    """Return where an array's first element is and its strides, both in bytes."""
    if ".".join(class_name(type(array))).startswith("torch."):
        size = array.element_size()
        return array.data_ptr(), tuple(step * size for step in array.stride())
    return int(array.__array_interface__["data"][0]), tuple(array.strides)


def _fields(array: Any) -> list[Any]:
    # Field by field: the padding between them is whatever was in memory.
    if array.dtype.names is None:
        return [array.view(array.dtype.base)]
    return [array[name] for name in array.dtype.names]


def _values_digest(array: Any) -> bytes:
    import numpy as np

    kind, size = array.dtype.kind, array.dtype.itemsize
    half = size // 2 if kind == "c" else size
    plain = array.view(np.ndarray)
    state = xxhash.xxh3_128()
    if kind in _EXTENDED and half > _DOUBLE:
        state.update(_long_doubles(plain, half))
    elif plain.flags.c_contiguous:
        state.update(_bytes_of(plain))
    else:
        for piece in _pieces(plain):
            state.update(_bytes_of(np.ascontiguousarray(piece)))
    return state.digest()


def _bytes_of(array: Any) -> Any:
    return array.reshape(-1).view("u1") if array.dtype.itemsize else b""


def _long_doubles(array: Any, half: int) -> Any:
    import numpy as np

    flat = np.ascontiguousarray(array).reshape(-1).view("u1").reshape(-1, half)
    meaningful = _EXTENDED["f"] if sys.byteorder == "little" and half in (12, 16) else half
    return np.ascontiguousarray(flat[:, :meaningful])


def _pieces(array: Any) -> Any:
    """Yield an array in C order in pieces of a few megabytes, so that no full copy is made."""
    if array.ndim == 0 or array.nbytes <= _CHUNK:
        yield array
        return
    rows = max(1, _CHUNK * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        piece = array[start : start + rows]
        if rows == 1 and piece.nbytes > _CHUNK and array.ndim > 1:
            yield from _pieces(piece[0])
        else:
            yield piece


def flat_state(state: dict[str, Any]) -> list[Any]:
    """Return the state of a numpy stream as atoms: numbers, names, and a digest of its words."""
    inner = [flat_state(each) if isinstance(each, dict) else [each] for each in state.values()]
    return [digest(each) if hasattr(each, "dtype") else each for part in inner for each in part]


def _ndarray(reducer: Any, array: Any) -> Parts:
    kind = type(array)
    module, name = class_name(kind)
    parts = _parts_for(reducer)(array)
    if (module, name) == ("numpy", "ndarray"):
        return parts
    return ("subarray", data_kind(kind), parts)


def _numpy_subclass(reducer: Any, array: Any) -> Parts:
    if class_name(type(array)) in _PLAIN_ARRAYS:
        return _ndarray(reducer, array)
    return reducer._by_protocol(array)  # type: ignore[no-any-return]  # noqa: SLF001


def _masked(_: Any, array: Any) -> Parts:
    import numpy as np

    fill = array._fill_value  # noqa: SLF001 - the property would set it, and pickling does too
    if fill is None:
        fill = np.ma.empty(0, array.dtype).fill_value
    return (
        "masked",
        data_kind(type(array)),
        array_parts(array.data),
        array_parts(np.ma.getmaskarray(array)),
        array_parts(np.asarray(fill)),
        bool(array.hardmask),
    )


_PLAIN_ARRAYS: Final = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "memmap"),
        ("numpy", "matrix"),
        ("numpy", "recarray"),
        ("numpy.rec", "recarray"),
    }
)


def _scalar(_: Any, value: Any) -> Parts:
    dtype = value.dtype
    if dtype.hasobject:
        return ("scalar", dtype_name(dtype), value.item())
    import numpy as np

    inner = array_parts(np.asarray(value))
    return ("=scalar", dtype_name(dtype), *_flat(inner[3:]))


def _flat(parts: Any) -> list[Any]:
    flat: list[Any] = []
    for part in parts:
        flat.extend(_flat(part) if type(part) in (tuple, list) else [part])
    return flat


def _dtype(_: Any, dtype: Any) -> Parts:
    return ("=dtype", dtype_name(dtype), repr(dtype.metadata))


def _tensor(reducer: Any, tensor: Any) -> Parts:
    plain = tensor.detach()
    if plain.layout is not sys.modules["torch"].strided:
        raise CannotReduceError("torch.Tensor", "only dense tensors have a fingerprint")
    return (
        "tensor",
        data_kind(type(tensor)),
        str(tensor.dtype),
        tuple(tensor.shape),
        bool(tensor.requires_grad),
        str(tensor.device),
        b"" if reducer.inside else _tensor_digest(plain),
        tensor.grad if tensor.is_leaf else None,
    )


def _tensor_digest(plain: Any) -> bytes:
    flat = plain.cpu().contiguous().reshape(-1).view(sys.modules["torch"].uint8)
    return digest(flat.numpy())


def _index(_: Any, index: Any) -> Parts:
    return ("=index", *index_parts(array_parts, index))


def _frame(reducer: Any, frame: Any) -> Parts:
    return frame_parts(_parts_for(reducer), frame, content=not reducer.inside)


def _extension(_: Any, array: Any) -> Parts:
    return ("extension", index_parts(array_parts, array))


REDUCERS: Final[dict[str, Callable[[Any, Any], Parts]]] = {
    "numpy.ma.MaskedArray": _masked,
    "numpy.ma.core.MaskedArray": _masked,
    "numpy.ndarray": _numpy_subclass,
    "numpy.generic": _scalar,
    "numpy.dtype": _dtype,
    "torch.Tensor": _tensor,
    "pandas.core.generic.NDFrame": _frame,
    "pandas.Index": _index,
    "pandas.core.indexes.base.Index": _index,
    "pandas.api.extensions.ExtensionArray": _extension,
    "pandas.core.arrays.base.ExtensionArray": _extension,
    "pyarrow.lib._Tabular": arrow_parts,
    "pyarrow.lib._PandasConvertible": arrow_parts,
    "polars.dataframe.frame.DataFrame": polars_parts,
    "polars.series.series.Series": polars_parts,
}
