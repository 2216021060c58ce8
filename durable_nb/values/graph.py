"""The object graph of several named values: which objects they share, and where an object is found."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.values.address import Address, Step, describe
from durable_nb.values.hashing import overlap_digest, overlapping
from durable_nb.values.kinds import PLAIN_ATOMS, is_small_tuple
from durable_nb.values.reduce import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from durable_nb.values.walk import Walk

_BIG = 10_000


class Graph:
    """The objects that named values consist of, as they were when the graph was made.

    It keeps these objects alive, so that no id is used twice while two graphs are compared: drop it soon.

    Attributes:
        walks: the graph of each value by name; two names of one object have the same walk.
    """

    def __init__(self, walks: Mapping[str, Walk]) -> None:
        self.walks = dict(sorted(walks.items()))

    def shared_with(self, other: Graph) -> dict[int, Address | None]:
        """Return the mutable objects of ``other`` that are also in this graph.

        Returns:
            id -> address below this graph's names; None for an object that no address leads to.
        """
        theirs: set[int] = set().union(*(walk.ids for walk in other.walks.values()))
        found: dict[int, Address | None] = {}
        for name, walk in self.walks.items():
            common = walk.ids & theirs
            if not common:
                continue
            for position, obj in enumerate(walk.objects):
                if id(obj) in common and found.get(id(obj)) is None and counts(walk, obj):
                    found[id(obj)] = self._address(name, walk, position)
        lost = {identity for identity, address in found.items() if address is None}
        # What lies only inside of something that has an address needs none: it is referred to as a whole.
        for identity in lost - (other.outside(found.keys() - lost) if lost else set()):
            del found[identity]
        return found

    def holds_objects(self) -> bool:
        """Say whether it has any object whose identity matters."""
        return any(counts(walk, obj) for walk in self.walks.values() for obj in walk.objects)

    def outside(self, stop: AbstractSet[int]) -> set[int]:
        """Return the ids of the objects that are met without looking inside those of ``stop``."""
        return set().union(*(walk.stopping_at(stop).ids for walk in {id(w): w for w in self.walks.values()}.values()))

    def overlaps(self, other: Graph) -> str | None:
        """Return where ``other`` has an array in memory of one of this graph's arrays; None when nowhere.

        The same array object in both does not count.
        """
        mine = {id(array): array for walk in self.walks.values() for array in walk.arrays}
        pairs = [("", array) for array in mine.values()]
        where: dict[int, str] = {}
        for name, walk in other.walks.items():
            for array in walk.arrays:
                if id(array) not in mine and id(array) not in where:
                    where[id(array)] = name
                    pairs.append((name, array))
        for group in overlapping(pairs):
            if any(not label for label, _ in group):
                for label, array in group:
                    if label:
                        return path_of(other.walks[label], label, array)
        return None

    def sharing_digest(self) -> bytes:
        """Return a digest of what is shared between names: objects, and memory of arrays; empty when nothing."""
        names: dict[int, str] = {}
        distinct: dict[str, Walk] = {}
        state: list[Any] = []
        for name, walk in self.walks.items():
            first = names.setdefault(id(walk), name)
            if first == name:
                distinct[name] = walk
            else:
                state.append((first, name))
        state.extend(_crossings(distinct))
        arrays = {
            id(array): (f"{name} {number}", array)
            for name, walk in reversed(distinct.items())
            for number, array in enumerate(walk.arrays)
        }
        between = sorted(arrays.values(), key=lambda item: item[0]) if len(distinct) > 1 else []
        places = overlap_digest(between)
        if not state and not places:
            return b""
        return xxhash.xxh3_128_digest(repr(state).encode() + places)

    @staticmethod
    def _address(name: str, walk: Walk, position: int) -> Address | None:
        steps = list(_steps(walk, position))
        if any(step is None for step in steps):
            return None
        return name, tuple(step for step in steps if step is not None)


def counts(walk: Walk, obj: object) -> bool:
    """Tell whether the identity of an object matters: not of values, nor of small tuples of atoms."""
    return id(obj) not in walk.values and not is_small_tuple(obj)


def path_of(walk: Walk, name: str, obj: object) -> str:
    """Return a human path of an object in a walk; steps that Python has no syntax for are left out."""
    for position, candidate in enumerate(walk.objects):
        if candidate is obj:
            return position_path(walk, name, position)
    return name


def position_path(walk: Walk, name: str, position: int) -> str:
    """Return the human path of the object at a position of a walk."""
    steps = tuple(step for step in _steps(walk, position) if step is not None)
    return describe((name, steps))


def _steps(walk: Walk, position: int) -> Iterator[Step | None]:
    """Yield the steps from the root to a position; None for one that cannot be expressed."""
    climbed: list[tuple[Any, str, object]] = []
    starts = [segment.first for segment in walk.segments]
    while position:
        segment = walk.segments[bisect_right(starts, position) - 1]
        position, place = segment.parent(position)
        climbed.append((walk.objects[position], segment.kind, place))
    inside = ""
    for owner, kind, place in reversed(climbed):
        if kind == "part":
            tag = walk.parts[id(owner)][0]
            label = LABELS.get(tag, {}).get(place) if type(place) is int else None
            inside = label if label in ("vars", "own", "self") else ""
            if not inside:
                yield None if label is None else ("attr", label)
            continue
        if kind == "key" or (kind == "value" and type(place) not in PLAIN_ATOMS):
            yield None
        elif kind == "value" and inside == "vars":
            yield ("attr", place) if type(place) is str else None
        elif kind == "value" and inside == "own":
            # Not by getattr: that gives what a static or class method makes of itself.
            yield ("attr", "__dict__")
            yield ("item", place)
        else:
            yield ("item", place)
        inside = ""
    if inside:
        # The dict of attributes itself, or a list made for the occasion.
        yield ("attr", "__dict__") if inside == "vars" else None


def _crossings(walks: Mapping[str, Walk]) -> Iterator[tuple[str, int, int]]:
    """Yield (name, ordinal, number) of each object below more than one name; numbers tell which are the same."""
    common = _common(list(walks.values()))
    if not common:
        return
    numbers: dict[int, int] = {}
    found: list[tuple[str, int, int]] = []
    seen_in: dict[int, int] = {}
    for name, walk in walks.items():
        if walk.ids.isdisjoint(common):
            continue
        ordinal = 0
        for obj in walk.objects:
            if not counts(walk, obj):
                continue
            ordinal += 1
            if id(obj) in common:
                number = numbers.setdefault(id(obj), len(numbers))
                seen_in[number] = seen_in.get(number, 0) + 1
                found.append((name, ordinal, number))
    yield from found


def _common(walks: list[Walk]) -> set[int]:
    """Return the ids that more than one walk has; big walks are compared in place, small ones are merged."""
    common: set[int] = set()
    merged: set[int] = set()
    big: list[set[int]] = []
    for walk in walks:
        for seen in (merged, *big):
            if not walk.ids.isdisjoint(seen):
                common |= walk.ids & seen
        if len(walk.ids) > _BIG:
            big.append(walk.ids)
        else:
            merged |= walk.ids
    return common
