"""Turn a walked value into 16 bytes, with pickle's C code doing the work."""

from __future__ import annotations

import math
import pickle
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import xxhash

from durable_nb.values.arrays import extent, placement
from durable_nb.values.kinds import CALL_ATOMS, CONTAINERS, class_name
from durable_nb.values.unreadable import CannotReduceError
from durable_nb.values.views import elements_of
from durable_nb.values.walk import CONSTANTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_nb.values.walk import Walk

L = TypeVar("L")
_CALLS = frozenset(CALL_ATOMS)


# Bytes hashed before long texts that occur again and again are looked for. Part of the format.
_MUCH = 2 << 30
_LONG = 4_096


class _TooMuchError(Exception):
    """So many bytes that a long text is probably hashed wherever it is referred to."""


class _Sink:
    __slots__ = ("_left", "_update")

    def __init__(self, state: xxhash.xxh3_128, limit: float) -> None:
        self._update = state.update
        self._left = limit

    def write(self, data: bytes) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise _TooMuchError
        self._update(data)
        return len(data)


class _Writer(pickle.Pickler):
    """Pickles without remembering what it wrote, but looks numbered objects up in a memo given to it.

    ``fast`` only stops the C pickler from adding to its memo; what is in it is still written as a reference.
    So shared objects, cycles and everything that is not plain data become a number, at no cost for the rest.
    """

    def __init__(self, state: xxhash.xxh3_128, numbered: dict[int, tuple[int, Any]], limit: float = math.inf) -> None:
        super().__init__(_Sink(state, limit), protocol=5)
        self.fast = True
        self.memo = numbered

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) in _CALLS:
            return NotImplemented
        # Not seen by the walk, so another thread put it there since.
        raise CannotReduceError(".".join(class_name(type(obj))), "it changed while it was read")


def value_digest(root: object, walk: Walk) -> bytes:
    """Return the digest of a walked value: its content, and which of its mutable objects are shared.

    Raises:
        CannotReduceError: the value changed since it was walked.
    """
    contents = [_content(obj, walk) for obj in walk.order[len(CONSTANTS) :]]
    try:
        try:
            state = _hashed(_Writer, [root, contents], walk.numbered, _MUCH)
        except _TooMuchError:
            texts, numbered = _long_texts([root, contents], walk)
            state = _hashed(_Writer, [root, contents, texts], numbered, math.inf)
    except (RecursionError, ValueError, RuntimeError) as error:
        raise CannotReduceError(".".join(class_name(type(root))), str(error)) from error
    places = overlap_digest([(str(number), obj) for number, obj in enumerate(walk.arrays)])
    if places:
        state.update(places)
    return state.digest()


def _hashed(
    writer: type[_Writer], values: list[Any], numbered: dict[int, tuple[int, Any]], limit: float
) -> xxhash.xxh3_128:
    state = xxhash.xxh3_128()
    pickler = writer(state, numbered, limit)
    for value in values:
        pickler.dump(value)
    return state


def _long_texts(values: list[Any], walk: Walk) -> tuple[list[Any], dict[int, tuple[int, Any]]]:
    """Number long texts by content; return a digest for each number, and all numbers."""
    numbered = dict(walk.numbered)
    digests: dict[tuple[bool, bytes], int] = {}
    pending: list[Any] = [values, *walk.objects, *walk.parts.values()]
    for container in pending:
        kind = type(container)
        if kind not in CONTAINERS:
            continue
        items = chain(container, container.values()) if kind is dict else container
        for item in items:
            if type(item) in (str, bytes) and len(item) > _LONG and id(item) not in numbered:
                data = item.encode("utf-8", "surrogatepass") if type(item) is str else item
                key = (type(item) is str, xxhash.xxh3_128_digest(data))
                numbered[id(item)] = (digests.setdefault(key, len(walk.order) + len(digests)), item)
    return [("texts", *digests)], numbered


def _content(obj: Any, walk: Walk) -> tuple[Any, ...]:
    """Return an object's content in a container that is not the object itself, which the memo would hide."""
    parts = walk.parts.get(id(obj))
    if parts is not None:
        return parts
    if type(obj) is dict:
        return ("dict", list(obj), list(obj.values()))
    if type(obj) is list:
        return ("list", tuple(obj))
    return ("tuple", list(obj))


def overlap_digest(arrays: Iterable[tuple[str, Any]]) -> bytes:
    """Return a digest of which arrays share memory and where; empty when none does."""
    groups = overlapping(arrays)
    if not groups:
        return b""
    text: list[tuple[Any, ...]] = []
    for group in groups:
        inside = _elements_of_one(group)
        if inside is not None:
            text += [*inside, ("", 0, ())]
            continue
        origin, _ = placement(group[0][1])
        for label, array in group:
            start, strides = placement(array)
            # Along an axis of one element there is no step: its stride is whatever made the array.
            steps = tuple(step for step, length in zip(strides, array.shape, strict=True) if length > 1)
            text.append((label, start - origin, steps))
        text.append(("", 0, ()))
    return xxhash.xxh3_128_digest(repr(text).encode())


def _elements_of_one(group: list[tuple[str, Any]]) -> list[tuple[Any, ...]] | None:
    """Return which elements of one of the arrays each consists of, however they lie; None if of none."""
    if not all(hasattr(array, "__array_interface__") for _, array in group):
        return None
    spans = [extent(array) or (0, 0) for _, array in group]
    whole = min(low for low, _ in spans), max(high for _, high in spans)
    bases = [array for (_, array), span in zip(group, spans, strict=True) if span == whole]
    if not bases:
        return None
    base = max(bases, key=lambda array: array.size)
    found = [(label, elements_of(base, array)) for label, array in group]
    return None if any(elements is None for _, elements in found) else found


def overlapping(arrays: Iterable[tuple[L, Any]]) -> list[list[tuple[L, Any]]]:
    """Return groups of arrays whose memory overlaps, each group and all groups in the order given."""
    placed = []
    for order, (label, array) in enumerate(arrays):
        bounds = extent(array)
        if bounds is not None:
            placed.append((*bounds, order, label, array))
    placed.sort(key=lambda item: item[:3])
    groups: list[list[tuple[int, L, Any]]] = []
    reach = -1
    for low, high, order, label, array in placed:
        if low < reach:
            groups[-1].append((order, label, array))
        else:
            groups.append([(order, label, array)])
        reach = max(reach, high)
    ordered = (sorted(group, key=lambda item: item[0]) for group in groups if len(group) > 1)
    return [[(label, array) for _, label, array in group] for group in sorted(ordered, key=lambda group: group[0][0])]
