"""What live objects were like at one moment, one level deep: finds what was changed in place since, and undoes it."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from durable_nb.values.frames import frame_memory
from durable_nb.values.graph import path_of
from durable_nb.values.inplace import FORMS, UNCHANGING, form_of
from durable_nb.values.kinds import ATOMS, is_atom
from durable_nb.values.left_out import LEFT_OUT
from durable_nb.values.reduce import Reducer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from durable_nb.values.graph import Graph
    from durable_nb.values.walk import Walk

_CONTAINERS: Final = frozenset(
    {"list", "dict", "ordered", "default", "set", "deque", "bytearray", "array.array", "cell", "slots"}
)
"""Forms whose state is compared itself; what the others were is told by their parts."""
_LINKING: Final = _CONTAINERS | {"attributes", "class", "function"}
"""Forms whose state tells which objects they hold."""
_BY_CONTENT: Final = ATOMS | {tuple}
_MOST_OBJECTS: Final = 100_000
_MOST_ITEMS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """A live object that was changed in place.

    Attributes:
        obj: the object.
        form: how it is written, a name of ``FORMS``; None where it cannot be.
        path: where it is, for people; only of what cannot be written.
    """

    obj: Any
    form: str | None
    path: str


class States:
    """The objects of a graph as they are when it is made.

    Only references are copied, except with ``keep_bytes``: contents of arrays and the like then are as well, so that
    ``put_back`` can undo changes. Beyond 100,000 objects nothing is copied, and every container counts as changed.

    Args:
        graph: made from the values as they are now.
        namespace: the notebook's globals.
        keep_bytes: how many bytes of contents may be copied; None for none.

    Attributes:
        skipped: paths of what was not copied, and so cannot be put back.
    """

    def __init__(self, graph: Graph, namespace: dict[str, Any] | None, *, keep_bytes: int | None = None) -> None:
        self._graph = graph
        self._namespace = namespace
        self._states: dict[int, Any] = {}
        self._cells: dict[int, list[Any]] = {}
        self._memory: dict[int, list[Any]] = {}
        self._kept: dict[int, Any] = {}
        self.skipped: list[str] = []
        self.whole = self._is_small()
        for name, walk, obj in self._objects() if self.whole else ():
            form = form_of(obj, walk.parts.get(id(obj)))
            if form in _LINKING:
                self._states[id(obj)] = FORMS[form].read(obj)
            elif form == "frame":
                self._memory[id(obj)] = frame_memory(obj)
            cells = _cells(obj, form)
            if not ATOMS.issuperset(map(type, cells)):
                self._cells[id(obj)] = cells
            if keep_bytes is not None and form and form not in _LINKING:
                keep_bytes -= FORMS[form].size(obj)
                if keep_bytes >= 0:
                    self._kept[id(obj)] = FORMS[form].keep(obj)
                else:
                    self.skipped.append(path_of(walk, name, obj))

    def changes(self, names: Collection[str] | None = None) -> list[Change]:
        """Return what changed since, of the objects below some names or all."""
        reducer = Reducer(self._namespace)
        found = []
        for name, walk, obj in self._objects(names):
            before = walk.parts.get(id(obj))
            form = form_of(obj, before)
            if form in _CONTAINERS:
                changed = id(obj) not in self._states or not _same_state(
                    self._states[id(obj)],
                    FORMS[form].read(obj),
                )
            elif before is None or form == UNCHANGING:
                continue
            else:
                after = reducer(obj)
                changed = not _same(before, after) or self._is_relinked(obj, before)
                if before[-2:-1] == (LEFT_OUT,) or after[-2:-1] == (LEFT_OUT,):
                    form = None
                if changed and form == "frame" and self._only_values_changed(obj, before, after):
                    form = "frame values"
            if changed:
                found.append(Change(obj, form, "" if form else path_of(walk, name, obj)))
        return found

    def relinked(self, names: Collection[str] | None = None) -> set[str]:
        """Return those of some names, or of all, below which something holds another object than it did; not atoms.

        No fingerprint tells that: an equal object in the old one's place is another one to whoever else has it.
        """
        return {name for name, walk, obj in self._objects(names) if self._is_relinked(obj, walk.parts.get(id(obj)))}

    def _is_relinked(self, obj: Any, parts: tuple[Any, ...] | None) -> bool:
        if parts and parts[0] == "custom":
            return False  # its own fingerprint tells enough
        form = form_of(obj, parts) or ""
        for known, read in ((self._cells, _cells), (self._states, _read)):
            if id(obj) in known:
                before, now = known[id(obj)], read(obj, form)
                return not _same_state(before, now) and not _same_atoms(before, now)
        return False

    def put_back(self) -> list[str]:
        """Undo what changed since; returns the paths of what could not be undone."""
        return [self._path(change.obj) for change in self.changes() if not self._undo(change)]

    def _undo(self, change: Change) -> bool:
        states = self._states if id(change.obj) in self._states else self._kept
        if change.form is None or id(change.obj) not in states:
            return False
        try:
            form = FORMS["frame" if change.form == "frame values" else change.form]
            form.write(change.obj, states[id(change.obj)])
            states[id(change.obj)] = form.keep(change.obj)  # what was written belongs to the object now
        except Exception:  # noqa: BLE001 - whatever the object raises, its path is named
            return False
        return True

    def _path(self, wanted: object) -> str:
        return next(path_of(walk, name, obj) for name, walk, obj in self._objects() if obj is wanted)

    def _only_values_changed(self, frame: Any, before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
        memory, now = self._memory.get(id(frame), []), frame_memory(frame)
        if not memory or any(each is None for each in memory) or len(memory) != len(now):
            return False
        axes, state = 2, 4
        return (
            all(a is b for a, b in zip(memory, now, strict=True))
            and _same(before[axes], after[axes])
            and _same(list(before[state].items()), list(after[state].items()))
        )

    def _objects(self, names: Collection[str] | None = None) -> Iterator[tuple[str, Walk, Any]]:
        """Yield each object whose identity matters once, with a name and the walk it is found in."""
        seen: set[int] = set()
        for name, walk in self._graph.walks.items():
            if names is not None and name not in names:
                continue
            for obj in walk.objects:
                if id(obj) not in seen and id(obj) not in walk.values and type(obj) is not tuple:
                    seen.add(id(obj))
                    yield name, walk, obj

    def _is_small(self) -> bool:
        walks = {id(walk): walk for walk in self._graph.walks.values()}.values()
        if sum(len(walk.objects) for walk in walks) > _MOST_OBJECTS:
            return False
        sizes = (len(obj) for walk in walks for obj in walk.objects if type(obj) is list or type(obj) is dict)
        return sum(sizes) <= _MOST_ITEMS


def _read(obj: Any, form: str) -> Any:
    return FORMS[form].read(obj)


def _cells(obj: Any, form: str | None) -> list[Any]:
    """Return the objects that an array or the columns of a frame refer to."""
    arrays = [obj] if form == "array" else frame_memory(obj) if form == "frame" else ()
    return [cell for each in arrays if each is not None and each.dtype == object for cell in each.ravel().tolist()]


def _same_state(before: Any, now: Any) -> bool:
    """Say whether two states of a container refer to the same objects, in the same order."""
    if type(before) is dict:
        return (
            len(before) == len(now)
            and all(map(operator.is_, before, now))
            and all(map(operator.is_, before.values(), now.values()))
        )
    if type(before) is set:
        return len(before) == len(now) and {id(each) for each in before} == {id(each) for each in now}
    if type(before) is list:
        return len(before) == len(now) and all(map(operator.is_, before, now))
    if type(before) is tuple:
        return len(before) == len(now) and all(map(_same_part, before, now))
    return bool(before == now)  # bytes and arrays of numbers


def _same_atoms(before: Any, now: Any) -> bool:
    """Say whether two states of a container differ in equal atoms only."""
    if type(before) is dict:
        return len(before) == len(now) and _same_atoms([*before, *before.values()], [*now, *now.values()])
    if type(before) in (list, tuple):
        alike = _same_atom if type(before) is list else _same_part_of_atoms
        return len(before) == len(now) and all(map(alike, before, now))
    return bool(before == now) if type(before) is not set else before == now and all(map(is_atom, now))


def _same_part_of_atoms(before: Any, now: Any) -> bool:
    """Say so of a part of a state that is a tuple: a dict among these parts is the object's own."""
    return _same_atoms(before, now) if type(before) is dict and type(now) is dict else _same_atom(before, now)


def _same_atom(before: Any, now: Any) -> bool:
    return before is now or (type(before) is type(now) and is_atom(before) and bool(before == now))


def _same_part(before: Any, now: Any) -> bool:
    return before is now or (type(before) is dict and type(now) is dict and _same_state(before, now))


def _same(before: Any, after: Any) -> bool:
    """Say whether an object was reduced to the same parts: atoms of equal value, and the very same objects.

    Tuples, lists and dicts right below are made for the occasion, so they are compared by what is in them.
    """
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    if type(before) in (tuple, list):
        return len(before) == len(after) and all(map(_same, before, after))
    if type(before) is dict:
        return list(before) == list(after) and all(
            a is b or (type(a) in _BY_CONTENT and _same(a, b))
            for a, b in zip(before.values(), after.values(), strict=True)
        )
    return is_atom(before) and bool(before == after)
