"""The pickler and the unpickler: cloudpickle's, with live things by reference."""

from __future__ import annotations

import linecache
import pickle
import struct
import sys
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cloudpickle import cloudpickle as cp

from durable_nb.values import reducers
from durable_nb.values.address import ATOMS
from durable_nb.values.hooks import HookError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Sequence

    from durable_nb.values.address import Address
    from durable_nb.values.hooks import SaveHook
    from durable_nb.values.object_views import Looks

_NAMESPACE = "namespace"
_NO_LOOKS: Looks = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Aliased:
    """The live objects that a stream refers to; the namespace's dict is always the first."""

    objects: tuple[object, ...]
    addresses: tuple[Address, ...]

    def prefix(self) -> bytes:
        """Return the opcodes that load each object and put it into the memo, where BINGET finds it.

        A ``persistent_id`` method would cost a Python call for every object of the stream.
        """
        name = _NAMESPACE.encode()
        parts = [pickle.PROTO, b"\x05", pickle.SHORT_BINUNICODE, bytes([len(name)]), name]
        step = pickle.BINPERSID + pickle.MEMOIZE + pickle.POP
        parts.append(step)
        for i in range(len(self.addresses)):
            parts += (pickle.BININT, struct.pack("<i", i), step)
        return b"".join(parts)

    def memo(self, more: Sequence[object] = ()) -> dict[int, tuple[int, object]]:
        """Return the memo a pickler must start with to go with the prefix."""
        return {id(o): (i, o) for i, o in enumerate((*self.objects, *more))}


class Gathered:
    """The arrays and the out-of-band buffers that a pickler came by."""

    def __init__(self) -> None:
        self.array: Any = None  # the one being reduced
        self.arrays: list[Any] = []
        self.owned: dict[int, Any] = {}
        self.buffers: list[tuple[pickle.PickleBuffer, bool]] = []

    def add(self, buffer: pickle.PickleBuffer) -> None:
        """Take a buffer; a false result tells pickle that it is taken."""
        self.buffers.append((buffer, id(self.array) in self.owned))
        self.array = None

    def note_array(self, array: Any) -> None:
        """Remember an array whose data go into the stream."""
        if id(array) not in self.owned:
            self.arrays.append(array)

    def note_owner(self, owner: Any) -> bool:
        """Remember the arrays of a pandas manager of blocks or of an index as its own.

        Returns:
            Whether another owner has one of them as well: the very object, not a view.
        """
        values = [block.values for block in getattr(owner, "blocks", ())]
        # Not getattr: a RangeIndex would make its numbers.
        values.append(getattr(owner, "__dict__", {}).get("_data"))
        values.extend(owner.codes if hasattr(owner, "levels") else ())  # of a MultiIndex
        parts = [part for each in values if each is not None for part in _arrays(each)]
        shared = any(id(part) in self.owned for part in parts)
        self.owned.update((id(part), part) for part in parts)
        return shared


def _arrays(values: Any) -> list[Any]:
    inner = [*getattr(values, "__dict__", {}).values()]
    inner += [getattr(values, name, None) for name in ("_ndarray", "_data", "_mask")]
    return [values, *(part for part in inner if hasattr(part, "__array_interface__"))]


class Pickler(cp.Pickler):  # type: ignore[misc]
    """cloudpickle's pickler, with the live namespace and inputs by reference."""

    def __init__(
        self,
        file: Any,
        namespace: dict[str, Any] | None,
        memo: dict[int, tuple[int, object]],
        *,
        strided: bool = False,
        looks: Looks = _NO_LOOKS,
    ) -> None:
        # Not a method of the pickler: that cycle would keep everything it memoized alive.
        self.gathered = Gathered()
        super().__init__(file, protocol=5, buffer_callback=self.gathered.add)
        self.namespace = live(namespace)
        self.by_value = None if namespace is None else namespace.get("__name__", "__main__")
        self.strided = strided
        self.looks = looks
        self.cells: set[int] = set()
        self.sources: dict[str, str] = {}
        self.needs: set[str] = set()
        self._reducers: dict[type, Any] = {}
        self.memo = self._start = memo
        self.last: object = None
        # What users' hooks made of objects, so that each is asked once; and the objects being taken apart.
        self._saved: dict[int, tuple[object, object]] = {}
        self._open: set[int] = set()
        self._is_check = False

    def reducer_override(self, obj: Any) -> Any:
        """Take apart what ``reducers`` knows better; called for all but the builtin containers."""
        kind = type(obj)
        self.last = obj
        try:
            reducer = self._reducers[kind]
        except KeyError:
            self.note_module(kind.__module__)
            reducer = self._reducers[kind] = reducers.choose(kind)
        return NotImplemented if reducer is None else reducer(self, obj)

    def default(self, obj: Any) -> Any:
        """Reduce as cloudpickle does."""
        return super().reducer_override(obj)

    def saved(self, hook: SaveHook, obj: object) -> object:
        """Return what a user's hook makes of an object.

        ``load`` gets it complete, before there is an object again. So it must not lead back to the object, nor to
        a container around it, which would be half filled then: what it leads to is looked through for the object.
        """
        if id(obj) in self._open:
            raise HookError(obj, f"what {hook.name} returns leads back to the object itself")
        if id(obj) not in self._saved:
            self._saved[id(obj)] = (obj, hook.saved(obj))
        saved = self._saved[id(obj)][1]
        if self._is_check:
            self._open.add(id(obj))
        elif not _is_flat(saved):
            check = Pickler(_Nowhere(), self.namespace, self._start)
            check.by_value, check._saved, check._open, check._is_check = self.by_value, self._saved, {id(obj)}, True
            check.dump(saved)
        return saved

    def note_source(self, filename: str) -> None:
        """Let the source of a cell travel along; that of a real file is read where it lies."""
        entry = linecache.cache.get(filename)
        # An mtime of None is IPython's mark (and doctest's) of text that no file holds.
        if filename not in self.sources and entry and len(entry) == 4 and entry[1] is None:  # noqa: PLR2004
            self.sources[filename] = "".join(entry[2])

    def note_module(self, name: object) -> None:
        """Remember that the stream needs a module."""
        if isinstance(name, str):
            self.needs.add(name.partition(".")[0])


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


def _is_flat(saved: object) -> bool:
    """Say whether a value holds atoms only, or a container of them, so that it leads to no object."""
    items: Any = saved.values() if type(saved) is dict else saved if type(saved) in {list, tuple} else (saved,)
    return set(map(type, items)) <= ATOMS


class Unpickler(pickle.Unpickler):
    """Finds the live objects that a stream refers to."""

    def __init__(
        self,
        file: io.BytesIO,
        namespace: dict[str, Any] | None,
        load: Callable[[int], object],
        buffers: Sequence[Any] = (),
    ) -> None:
        super().__init__(file, buffers=buffers)
        self._namespace = live(namespace)
        self._own = self._namespace.get("__name__")
        self._load = load

    def persistent_load(self, pid: Any) -> object:
        """Return the namespace's dict or the aliased object of that number."""
        return self._namespace if pid == _NAMESPACE else self._load(pid)

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up, those of the notebook in the live namespace."""
        if module != self._own:
            return super().find_class(module, name)
        first, *rest = name.split(".")
        found = self._namespace.get(first)
        if found is None:
            raise AttributeError(f"{name} is not defined in the notebook")
        for part in rest:
            found = getattr(found, part)
        return found


def live(namespace: dict[str, Any] | None) -> dict[str, Any]:
    """Return the globals that functions share: the notebook's, else the script's."""
    return sys.modules["__main__"].__dict__ if namespace is None else namespace


class Finder(Pickler):
    """Finds objects by their ids among all that pickle looks at."""

    wanted: frozenset[int]
    found: dict[int, object]

    def persistent_id(self, obj: object) -> object:
        """Note an object; one that is found need not be entered."""
        if id(obj) in self.wanted:
            self.found[id(obj)] = obj
            return 0
        return None
