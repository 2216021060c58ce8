"""How containers, times, paths, files and other values of Python's own types are taken apart for a fingerprint."""

from __future__ import annotations

import collections
import datetime as dt
import functools
import itertools
import pathlib
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values import arrays
from durable_nb.values.closed_files import FILES, closed_file
from durable_nb.values.counters import counted
from durable_nb.values.kinds import class_name
from durable_nb.values.ordering import sort_key
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_nb.values.reduce import Parts, Reducer


def _set(reducer: Reducer, value: Any) -> Parts:
    return (type(value).__name__, *_sorted(reducer, value))


def _frozenset(reducer: Reducer, value: Any) -> Parts:
    return ("=frozenset", *_sorted(reducer, value))


def _sorted(reducer: Reducer, value: Any) -> list[object]:
    kinds = set(map(type, value))
    if len(kinds) == 1 and not kinds.isdisjoint({str, int, bytes}):
        return sorted(value)
    return sorted(value, key=lambda element: sort_key(reducer, element))


def _zoned(_: Reducer, value: Any) -> Parts:
    packed = value.replace(tzinfo=None).__reduce_ex__(5)[1][0]
    return ("=zoned", type(value).__name__, packed, value.tzinfo)


def _path(_: Reducer, value: Any) -> Parts:
    return ("=path", type(value).__name__, str(value))


def _bytearray(_: Reducer, value: bytearray) -> Parts:
    return ("bytearray", arrays.digest(memoryview(value)))


def _mapping(_: Reducer, value: Any) -> Parts:
    extra = getattr(value, "default_factory", None)
    return ("mapping", type(value), extra, dict(value))


def _deque(_: Reducer, value: Any) -> Parts:
    return ("sequence", type(value), value.maxlen, list(value))


def _partial(_: Reducer, value: Any) -> Parts:
    return ("partial", type(value), value.func, value.args, value.keywords, value.__dict__)


def _count(_: Reducer, value: Any) -> Parts:
    arguments = counted(value)
    if arguments is None:
        raise CannotReduceError("itertools.count", "it counts in other than plain numbers")
    return ("count", *arguments)


def _pattern(_: Reducer, value: Any) -> Parts:
    return ("=pattern", value.pattern, value.flags)


def _slice(_: Reducer, value: slice) -> Parts:
    return ("=slice", value.start, value.stop, value.step)


def _file(_: Reducer, value: Any) -> Parts:
    for name in ("stdin", "stdout", "stderr"):
        if value is getattr(sys, name) or value is getattr(sys, f"__{name}__"):
            return ("=stdio", name)
    described = closed_file(value)
    if described is None:
        raise CannotReduceError(".".join(class_name(type(value))), "an open file has a position in this process only")
    return ("closed file", type(value), *described)


STANDARD: Final[dict[type, Callable[[Reducer, Any], Parts]]] = {
    set: _set,
    frozenset: _frozenset,
    bytearray: _bytearray,
    dt.datetime: _zoned,
    dt.time: _zoned,
    collections.OrderedDict: _mapping,
    collections.defaultdict: _mapping,
    collections.Counter: _mapping,
    collections.deque: _deque,
    functools.partial: _partial,
    itertools.count: _count,
    re.Pattern: _pattern,
    slice: _slice,
    pathlib.PurePosixPath: _path,
    pathlib.PureWindowsPath: _path,
    pathlib.PosixPath: _path,
    pathlib.WindowsPath: _path,
    **dict.fromkeys(FILES, _file),
}
"""What takes apart values of exactly these types."""
