"""The object graph of several named values: which objects they share, and where an object is found."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xxhash

from durable_nb.values.address import Address, Step, describe
from durable_nb.values.frames import frame_memory
from durable_nb.values.hashing import overlap_digest, overlapping
from durable_nb.values.kinds import PLAIN_ATOMS, class_dict, is_atom, is_small_tuple
from durable_nb.values.reduce import LABELS
from durable_nb.values.views import step_to_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from durable_nb.values.walk import Walk

_BIG = 10_000


@dataclass(frozen=True, slots=True)
class _Memory:
    """An array of a walk: an object there, or inside of an object whose parts do not show it."""

    name: str
    walk: Walk
    owner: Any
    array: Any
    inside: tuple[Step, ...]

    @property
    def of_frame(self) -> bool:
        return bool(self.inside)


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
            places = Places(walk)
            for position, obj in enumerate(walk.objects):
                if id(obj) in common and found.get(id(obj)) is None and counts(walk, obj):
                    found[id(obj)] = places.address(name, position)
        lost = {identity for identity, address in found.items() if address is None}
        # What lies only inside of something that has an address needs none: it is referred to as a whole.
        for identity in lost - (other.outside(found.keys() - lost) if lost else set()):
            del found[identity]
        return found

    def is_of(self, values: Mapping[str, object]) -> bool:
        """Say whether it is the graph of these very values."""
        return self.walks.keys() == values.keys() and all(
            walk.objects[0] is values[name] if walk.objects else is_atom(values[name])
            for name, walk in self.walks.items()
        )

    def holds_objects(self) -> bool:
        """Say whether it has any object whose identity matters."""
        return any(counts(walk, obj) for walk in self.walks.values() for obj in walk.objects)

    def outside(self, stop: AbstractSet[int]) -> set[int]:
        """Return the ids of the objects that are met without looking inside those of ``stop``."""
        return set().union(*(walk.stopping_at(stop).ids for walk in {id(w): w for w in self.walks.values()}.values()))

    def views_in(self, other: Graph) -> dict[int, Address | str]:
        """Return the arrays of ``other`` that are no object of this graph but look at memory of its values.

        Returns:
            id -> address below this graph's names, or the path in ``other`` where there is none.
        """
        mine = {id(each.array): each for each in self._memory()}
        fresh = [each for each in other._memory() if id(each.array) not in mine]
        if not mine or not fresh:
            return {}
        found: dict[int, Address | str] = {}
        placed = [(each, each.array) for each in (*mine.values(), *fresh)]
        for group in overlapping(placed):
            bases = [each for each, array in group if id(array) in mine]
            for each, array in group:
                if id(array) not in mine and bases and not (each.of_frame and any(base.of_frame for base in bases)):
                    found[id(each.array)] = _view_address(bases, each) or path_of(each.walk, each.name, each.owner)
        return found

    def _memory(self) -> Iterator[_Memory]:
        """Yield the arrays of all walks, and those that pandas keeps values in."""
        for name, walk in self.walks.items():
            for array in walk.arrays:
                yield _Memory(name, walk, array, array, ())
            for obj in walk.frames:
                for number, array in enumerate(frame_memory(obj)):
                    if array is not None:
                        inside: tuple[Step, ...] = (
                            ("attr", "_mgr"),
                            ("attr", "blocks"),
                            ("item", number),
                            ("attr", "values"),
                        )
                        yield _Memory(name, walk, obj, array, inside)

    def sharing_digest(self) -> bytes:
        """Return a digest of what is shared between names: objects, and memory of arrays; empty when nothing."""
        names: dict[int, str] = {}
        distinct: dict[str, Walk] = {}
        state: list[Any] = []
        for name, walk in self.walks.items():
            matters = bool(walk.objects) and counts(walk, walk.objects[0])  # two equal atoms are the same value
            first = names.setdefault(id(walk), name) if matters else name
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


def _view_address(bases: list[_Memory], view: _Memory) -> Address | None:
    if view.of_frame:
        return None  # what pandas shares it copies when it is written to
    for base in bases:
        step = step_to_view(base.array, view.array)
        address = address_of(base.walk, base.name, base.owner) if step is not None else None
        if step is not None and address is not None:
            return address[0], (*address[1], *base.inside, step)
    return None


def address_of(walk: Walk, name: str, obj: object) -> Address | None:
    """Return the address of an object of a walk; None where no steps of Python lead to it."""
    position = next(position for position, each in enumerate(walk.objects) if each is obj)
    return Places(walk).address(name, position)


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
    return describe((name, tuple(step for step in Places(walk).steps(position) if step is not None)))


class Places:
    """Where the objects of one walk are: the steps that lead to each from the walk's root."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._starts = [segment.first for segment in walk.segments]
        self._known: dict[int, tuple[tuple[Step | None, ...], str]] = {0: ((), "")}

    def address(self, name: str, position: int) -> Address | None:
        """Return the address of the object at a position; None where no steps of Python lead to it."""
        steps = self.steps(position)
        return None if None in steps else (name, steps)  # type: ignore[return-value]

    def steps(self, position: int) -> tuple[Step | None, ...]:
        """Return the steps from the root to a position; None for one that cannot be expressed."""
        steps, inside = self._reach(position)
        if not inside:
            return steps
        # The dict of attributes itself, or a list made for the occasion.
        return (*steps, ("attr", "__dict__") if inside == "vars" else None)

    def _reach(self, position: int) -> tuple[tuple[Step | None, ...], str]:
        """Return the steps to a position, and in which unnamed part of the last object it is."""
        climbed = []
        while position not in self._known:
            segment = self._walk.segments[bisect_right(self._starts, position) - 1]
            above, place, number = segment.parent(position)
            climbed.append((position, above, segment.kind, place, number))
            position = above
        reached = self._known[position]
        for below, above, kind, place, number in reversed(climbed):
            reached = self._known[below] = self._enter(reached, self._walk.objects[above], kind, place, number)
        return reached

    def _enter(
        self, reached: tuple[tuple[Step | None, ...], str], owner: object, kind: str, place: object, number: int
    ) -> tuple[tuple[Step | None, ...], str]:
        steps, inside = reached
        if kind == "part":
            tag, *parts = self._walk.parts[id(owner)]
            label = LABELS.get(tag, {}).get(place) if type(place) is int else None
            if label is None and tag == "saved":
                label = _label_of_saved(owner, parts[-1])
            if label is None and tag in ("reduce", "attributed") and type(place) is int:
                label = _label_of_items(owner, parts[place - 1])
            if label in ("vars", "own", "self", "flat", "values"):
                return steps, label
            return (*steps, None if label is None else ("attr", label)), ""
        if inside == "vars" and place in self._walk.made_up.get(id(owner), ()):
            return (*steps, None), ""
        return (*steps, *_steps_inside(kind, place, number, inside)), ""


def _label_of_saved(owner: object, saved: object) -> str | None:
    """Return how what a user's hook saves is reached: it is an attribute, or some attributes by their names."""
    own = getattr(owner, "__dict__", None)
    if type(own) is not dict:
        return None
    if type(saved) is dict and saved and all(own.get(name, saved) is value for name, value in saved.items()):
        return "vars"
    return next((name for name, value in own.items() if value is saved and type(name) is str), None)


def _label_of_items(owner: object, items: object) -> str | None:
    """Return how the items of a list or dict of a class of its own are reached, if the class leaves that to Python."""
    own: Iterable[object]
    if isinstance(owner, dict) and _inherits(type(owner), dict, "values"):
        own, label = dict.values(owner), "values"
    elif isinstance(owner, list) and _inherits(type(owner), list, "__getitem__"):
        own, label = list.__iter__(owner), "self"
    else:
        return None
    return label if type(items) is list and list(map(id, own)) == list(map(id, items)) else None


def _inherits(kind: type, base: type, method: str) -> bool:
    mro = type.__dict__["__mro__"].__get__(kind)
    return next(each for each in mro if method in class_dict(each)) is base


def _steps_inside(  # noqa: PLR0911 - a table of cases
    kind: str, place: object, number: int, inside: str
) -> tuple[Step | None, ...]:
    """Return the steps from a container to what is in it; ``inside`` tells whose container it is."""
    if inside in ("vars", "own") and (kind == "key" or type(place) is not str):
        return (None,)
    if inside == "values":
        return (("value", number),)
    if inside == "flat":
        return ("attr", "flat"), ("item", place)
    if kind == "key":
        return (("key", number),)
    if kind == "value" and inside == "vars":
        return (("attr", place),)
    if kind == "value" and inside == "own":
        # Not by getattr: that gives what a static or class method makes of itself.
        return ("attr", "__dict__"), ("item", place)
    if kind == "value" and type(place) not in PLAIN_ATOMS:
        return (("value", number),)
    return (("item", place),)


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
