"""Walk the object graph of one value, level by level, at the speed of C wherever types allow.

Objects are met in an order that follows from the value alone, never from addresses or hash seeds: the children
of lists, then of tuples, …, in the order in which these types first occur on a level. That order numbers objects.
"""

from __future__ import annotations

import builtins
import gc
import marshal
import sys
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, chain, compress, count, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.arrays import is_array
from durable_nb.values.kinds import ATOMS, CALL_ATOMS, CONTAINERS, ZONED, is_atom, is_small_tuple
from durable_nb.values.unreadable import CannotReduceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from durable_nb.values.reduce import Reducer

# Containers on each 40th level get a number as if they were shared: what is hashed in one go is then never
# nested deeper than that, and pickle's recursion never deeper than what any Python frame may still have.
_CUT: Final = 40
_TIMEZONE: Final = attrgetter("tzinfo")

# What the pickler calls, or writes by name, when it writes atoms: always the first numbers.
CONSTANTS: Final[tuple[Any, ...]] = (*CALL_ATOMS, ..., NotImplemented)
_CONSTANT_NUMBERS: Final = {id(obj): (number, obj) for number, obj in enumerate(CONSTANTS)}


@dataclass(slots=True)
class Segment:
    """Where a run of objects was found.

    Attributes:
        kind: "item" of lists and tuples, "key" or "value" of dicts, "part" of reduced objects.
        first: position of the first object of the run.
        parents: positions of the objects they were found in.
        sizes: how many children each parent has.
        index: which of all the children were kept; None when all were.
        labels: the keys of the values that were kept; only for dicts.
        offset: place of the first child of each parent.
    """

    kind: str
    first: int
    parents: Sequence[int]
    sizes: array[int]
    index: array[int] | None
    labels: list[object] | None
    offset: int
    _ends: list[int] = field(default_factory=list)

    def parent(self, position: int) -> tuple[int, object, int]:
        """Return the position of an object's parent, its place there (an index or a key), and its number there."""
        child = position - self.first
        label = self.labels[child] if self.labels is not None else None
        if self.index is not None:
            child = self.index[child]
        ends = self._ends = self._ends or list(accumulate(self.sizes))
        owner = bisect_right(ends, child)
        number = child - (ends[owner - 1] if owner else 0) + self.offset
        return self.parents[owner], number if self.labels is None else label, number


class Walk:
    """The object graph below one value.

    Attributes:
        objects: every object met that is no atom, in canonical order; the value itself first.
        ids: their ids.
        numbered: objects that are hashed once and referred to by number, with their number, in canonical order.
        parts: what the reduced ones among ``numbered`` were reduced to, by id.
        made_up: as the reducer has it.
        blocked: position, type and reason of the first object that cannot be reduced, or None.
        hides: whether for some object a fingerprint of the user's stands, so that what is inside was not met.
    """

    def __init__(self, root: object, reducer: Reducer, stop: AbstractSet[int] = frozenset()) -> None:
        self.objects: list[Any] = []
        self.ids: set[int] = set()
        self.segments: list[Segment] = []
        self.numbered: dict[int, tuple[int, Any]] = dict(_CONSTANT_NUMBERS)
        self.order: list[Any] = list(CONSTANTS)
        self.parts: dict[int, tuple[Any, ...]] = {}
        self.values: set[int] = set()
        self.arrays: list[Any] = []
        self.frames: list[Any] = []
        self.blocked: tuple[int, CannotReduceError] | None = None
        self.made_up = reducer.made_up
        self.hides = False
        self._reducer = reducer
        self._stop = stop
        self._same: dict[bytes, int] = {}
        namespace = reducer.namespace
        self._special = {id(builtins.__dict__): "builtins"}
        if namespace is not None:
            self._special[id(namespace)] = "namespace"
        self._run(root)

    def stopping_at(self, stop: AbstractSet[int]) -> Walk:
        """Return the walk of the same value that does not look inside the objects with these ids."""
        return Walk(self.objects[0], self._reducer, stop) if self.objects else self

    def _run(self, root: object) -> None:
        if not is_atom(root):
            self.objects.append(root)
            self.ids.add(id(root))
        start, depth = 0, 0
        while start < len(self.objects):
            level = self.objects[start:]
            if depth and depth % _CUT == 0:
                self._cut(level)
            first, start = start, len(self.objects)
            for kind, members, positions in _by_type(level, first):
                if not self._stop:
                    self._expand(kind, members, positions)
                    continue
                inner = [pair for pair in zip(members, positions, strict=True) if id(pair[0]) not in self._stop]
                if inner:
                    self._expand(kind, [member for member, _ in inner], [position for _, position in inner])
            depth += 1

    def _expand(self, kind: type, members: list[Any], positions: Sequence[int]) -> None:
        if kind is list or kind is tuple:
            self._take("item", positions, members, lambda: chain.from_iterable(members))
        elif kind is dict:
            if not self.ids.isdisjoint(self._special):
                members, positions = self._without_special(members, positions)
            # Lists all values, and the keys unless they are all exact str: in C, in one go. From Python 3.13 on it
            # leaves out values that lie inside the instance whose __dict__ a dict is.
            if sys.version_info < (3, 13) and _only_atoms(set(map(type, gc.get_referents(*members)))):
                return
            self._take("key", positions, members, lambda: chain.from_iterable(members))
            self._take("value", positions, members, lambda: _values(members))
        else:
            attributes = self._reducer.attributes(kind)
            if attributes is not None:
                self._reduce_alike(kind, attributes, members, positions)
            else:
                self._reduce(members, positions)

    def _reduce_alike(
        self,
        kind: type,
        attributes: Callable[[Any], dict[str, Any]],
        members: list[Any],
        positions: Sequence[int],
    ) -> None:
        """Do what ``_reduce`` does for instances that are their attributes, without a Python call for each."""
        states = list(map(attributes, members))
        ids = list(map(id, members))
        self.numbered.update(zip(ids, zip(count(len(self.order)), members), strict=False))
        self.order.extend(members)
        self.parts.update(zip(ids, zip(repeat("object"), repeat(kind), states), strict=False))
        self._take("part", positions[:1], [(kind,)], lambda: [kind], 1)
        self._take("part", positions, list(zip(states, strict=True)), lambda: states, 2)

    def _reduce(self, members: list[Any], positions: Sequence[int]) -> None:
        parts: list[tuple[Any, ...]] = []
        owners = array("q")
        for member, position in zip(members, positions, strict=True):
            try:
                reduced = self._reducer(member)
            except CannotReduceError as error:
                self.blocked = self.blocked or (position, error)
                continue
            if reduced[0][:1] == "=":
                self.values.add(id(member))
                if not self._first_of_its_value(member, reduced):
                    continue
            self._number(member)
            self.parts[id(member)] = reduced
            if reduced[0] in _ARRAYS or (reduced[0] == "reduce" and is_array(member)):
                self.arrays.append(member)
            elif reduced[0] == "frame":
                self.frames.append(member)
            self.hides = self.hides or reduced[0] == "custom"
            parts.append(reduced)
            owners.append(position)
        self._take("part", owners, parts, lambda: chain.from_iterable(parts))

    def _first_of_its_value(self, member: object, reduced: tuple[Any, ...]) -> bool:
        """Give equal values one number; tell whether this is the first of them."""
        key = marshal.dumps(tuple(map(_value_key, reduced)), 2)
        number = self._same.get(key)
        if number is not None:
            self.numbered[id(member)] = (number, member)
            return False
        self._same[key] = len(self.order)
        return True

    def _number(self, obj: object) -> None:
        if id(obj) not in self.numbered:
            self.numbered[id(obj)] = (len(self.order), obj)
            self.order.append(obj)

    def _cut(self, level: list[Any]) -> None:
        for obj in level:
            if type(obj) in CONTAINERS and not is_small_tuple(obj):
                self._number(obj)

    def _without_special(self, members: list[Any], positions: Sequence[int]) -> tuple[list[Any], Sequence[int]]:
        kept, places = [], array("q")
        for member, position in zip(members, positions, strict=True):
            if id(member) in self._special:
                self._number(member)
                self.values.add(id(member))
                self.parts[id(member)] = ("globals", self._special[id(member)])
            else:
                kept.append(member)
                places.append(position)
        return kept, places

    def _take(
        self,
        kind: str,
        parents: Sequence[int],
        owners: list[Any],
        source: Callable[[], Iterable[Any]],
        offset: int = 0,
    ) -> None:
        """Keep the children that are no atoms and that are met for the first time."""
        if self._reducer.budget is not None:
            self._reducer.budget.spend(items=sum(map(len, owners)))
        if _only_atoms(set(map(type, source()))):
            return  # the common case, decided without a list of all children
        children = list(source())
        flags = _not_atoms(children)
        if flags is None:
            return
        index: array[int] | None = None
        kept = children
        if flags is not _ALL:
            kept = list(compress(children, flags))
            if not kept:
                return
            index = array("q", compress(range(len(children)), flags))
        ids = list(map(id, kept))
        unique = set(ids)
        if len(unique) != len(ids) or not unique.isdisjoint(self.ids):
            fresh = self._repeats(kept, ids)
            kept = list(compress(kept, fresh))
            index = array("q", compress(index if index is not None else range(len(children)), fresh))
            if not kept:
                return
        if len(unique) > len(self.ids):
            unique, self.ids = self.ids, unique
        self.ids |= unique
        sizes = array("q", map(len, owners))
        labels: list[object] | None = None
        if kind == "value":
            keys = chain.from_iterable(owners)
            labels = list(keys) if index is None else _pick(keys, index, len(children))
        self.segments.append(Segment(kind, len(self.objects), parents, sizes, index, labels, offset))
        self.objects.extend(kept)

    def _repeats(self, kept: list[Any], ids: list[int]) -> list[bool]:
        """Number what is met again, and tell which objects are new."""
        seen, fresh = self.ids, []
        for obj, ident in zip(kept, ids, strict=True):
            new = ident not in seen
            fresh.append(new)
            if new:
                seen.add(ident)
            elif ident not in self.numbered and type(obj) in CONTAINERS and not is_small_tuple(obj):
                self._number(obj)
        return fresh


_ALL: Final[list[bool]] = []
_ARRAYS: Final = frozenset({"array", "subarray", "masked", "tensor"})


def _not_atoms(children: list[Any]) -> Iterable[bool] | None:
    """Return a flag per child, ``_ALL`` when none is an atom, None when all are."""
    kinds = set(map(type, children))
    if not kinds.isdisjoint(ZONED) and any(map(_is_zoned, children)):
        return [not is_atom(child) for child in children]
    if kinds <= ATOMS:
        return None
    if kinds.isdisjoint(ATOMS):
        return _ALL
    lookup: Callable[[type], bool] = {kind: kind not in ATOMS for kind in kinds}.__getitem__
    return list(map(lookup, map(type, children)))


def _only_atoms(kinds: set[type]) -> bool:
    return kinds <= ATOMS and kinds.isdisjoint(ZONED)


def _values(dicts: list[dict[Any, Any]]) -> Iterable[Any]:
    return chain.from_iterable(map(dict.values, dicts))


def _is_zoned(value: object) -> bool:
    return type(value) in ZONED and _TIMEZONE(value) is not None


def _pick(keys: Iterable[object], index: array[int], total: int) -> list[object]:
    chosen = bytearray(total)
    for position in index:
        chosen[position] = 1
    return list(compress(keys, chosen))


def _by_type(level: list[Any], first: int) -> Iterable[tuple[type, list[Any], Sequence[int]]]:
    kinds = set(map(type, level))
    if len(kinds) == 1:
        return [(kinds.pop(), level, range(first, first + len(level)))]
    groups: dict[type, tuple[list[Any], array[int]]] = {}
    for position, obj in enumerate(level, first):
        kind = type(obj)
        if kind not in groups:
            groups[kind] = ([], array("q"))
        members, positions = groups[kind]
        members.append(obj)
        positions.append(position)
    return [(kind, *group) for kind, group in groups.items()]


def _value_key(part: Any) -> Any:
    """Return what marshal can write for a part of a value: itself, or its identity."""
    if part is None or type(part) in _MARSHALLED:
        return part
    if is_small_tuple(part):
        return tuple(map(_value_key, part))
    return ("\0", id(part))


_MARSHALLED: Final = frozenset({bool, int, float, complex, str, bytes})
